"""The oracle: SNR and its loss as the paper writes them, one feature map after the other."""

import torch
import torch.nn.functional as F


def features(snr, x):
    """(F~, F~+, F~-) of Jin et al. eqs. 1-4, with the parameters of ``snr``."""
    normalised, residual, gate = _parts(snr, x)
    return normalised, normalised + gate * residual, normalised + (1 - gate) * residual


def enhanced(snr, x):
    """F~+ alone: what a network goes on with."""
    normalised, residual, gate = _parts(snr, x)
    return normalised + gate * residual


def _parts(snr, x):
    normalised = F.instance_norm(x, weight=snr.norm.weight, bias=snr.norm.bias, eps=snr.eps)
    residual = x - normalised
    pooled = residual.mean(dim=(2, 3))
    hidden = torch.relu(F.linear(pooled, snr.gate.fc1.weight, snr.gate.fc1.bias))
    gate = torch.sigmoid(F.linear(hidden, snr.gate.fc2.weight, snr.gate.fc2.bias))[..., None, None]
    return normalised, residual, gate


def entropy(logits):
    p = torch.softmax(logits, dim=1)
    return -torch.special.xlogy(p, p).sum(dim=1)  # 0 log 0 = 0


def ranking(normalised, enhanced, contaminated):
    """L+ + L- (eqs. 5-7) of three entropy tensors, averaged."""
    sharpened = torch.log1p(torch.exp(enhanced - normalised))
    blurred = torch.log1p(torch.exp(normalised - contaminated))
    return (sharpened + blurred).mean()
