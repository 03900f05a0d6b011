"""Measurements that the docs quote; each prints its table and writes JSON."""
