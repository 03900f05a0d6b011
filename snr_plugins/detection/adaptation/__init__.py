"""Adaptation of a detector to unlabelled images of a target domain."""
