"""How far an image's style lies from those that were learned, and how far a gate may trust it.

A gate learns on the source, where it never has to keep a style out: whatever comes back there is
something that the network knows. On an unseen style it would open just as wide. So every image has
a distance to the source's styles, and where that is large the gate closes: SNR is instance norm.

A style is, per channel, the spatial mean and the logarithm of the spatial deviation: 2 C numbers.
With their running mean m and variance v over the source's images, kept as batch norm keeps its own,

    d     = mean over the 2 C of (style - m)^2 / v          about 1 on the source
    trust = 1 / (1 + (d / t)^6)                             near 1 below t, near 0 above

where t = exp(mean + 2 deviations) of log d over the source's images; about 98 of 100 lie below it.
So the threshold is the source's own, and nobody tunes it on a target.
"""

# no `from __future__ import annotations`: TorchScript takes the buffers' types from the class

import contextlib
import threading
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

WINDOW = 1000  # images that the running statistics reach back
FIRST = 64  # images before distances count: statistics of fewer know too little


class Trust(nn.Module):
    """Trust in [0, 1] for each image, (N, 1), from its channels' statistics.

    In training the styles are learned and every image is trusted, in evaluation they are used; so
    what is trained is the paper's SNR. With ``rehearse`` every second image of a training batch is
    distrusted, at every SNR of the network alike, and no style is learned from it: behind a closed
    gate it is no longer the source's. Nothing here has a gradient to learn from. Before the first
    training batch everything is trusted. Under several processes each learns from its own images,
    as batch norm does.

    Args:
        channels: C.
        rehearse: distrust every second image in training.
    """

    seen: Tensor
    style_mean: Tensor
    style_var: Tensor
    log_distance: Tensor

    def __init__(self, channels: int, rehearse: bool = False) -> None:
        super().__init__()
        self.rehearse = rehearse
        self.register_buffer("seen", torch.zeros(2))  # images: of the styles, of the distances
        self.register_buffer("style_mean", torch.zeros(2 * channels))
        self.register_buffer("style_var", torch.ones(2 * channels))
        self.register_buffer("log_distance", torch.zeros(2))  # its mean and its variance

    def extra_repr(self) -> str:
        return f"rehearse={self.rehearse}"

    def forward(self, mean: Tensor, var: Tensor) -> Tensor:
        """Trust of each image, from spatial mean and biased variance, (N, C) each."""
        if not torch.jit.is_scripting() and self.training:  # TorchScript reads no further
            trust = torch.ones_like(mean[:, :1])
            if self.rehearse:
                trust[1::2] = 0
                mean, var = mean[::2], var[::2]
            self.learn(mean.detach(), var.detach())
            return trust
        # trust is 1e-18 there; of a larger ratio the sixth power, and so a gradient, leaves float32
        ratio = self.relative_distance(mean, var).clamp(max=1e3)
        return (1 / (1 + ratio.pow(6)))[:, None].to(mean.dtype)

    def relative_distance(self, mean: Tensor, var: Tensor) -> Tensor:
        """d / t of each image, (N,); 0 as long as no distance has been learned."""
        return self.distance(mean, var) / self.threshold()

    def distance(self, mean: Tensor, var: Tensor) -> Tensor:
        """d of each image, (N,)."""
        return self.distance_of(self.style(mean, var))

    def distance_of(self, style: Tensor) -> Tensor:
        """d of each image, (N,), from its style, (N, 2 C)."""
        return ((style - self.style_mean).square() / self.style_var).mean(dim=1)

    def threshold(self) -> Tensor:
        """t, a scalar; infinite as long as no distance has been learned."""
        t = torch.exp(self.log_distance[0] + 2 * self.log_distance[1].sqrt())
        return torch.where(self.seen[1] > 0, t, torch.full_like(t, float("inf")))

    def style(self, mean: Tensor, var: Tensor) -> Tensor:
        """(N, 2 C): means, and logarithms of deviations."""
        return torch.cat([mean, 0.5 * torch.log(var + 1e-6)], dim=1)

    @torch.no_grad()
    def learn(self, mean: Tensor, var: Tensor) -> None:
        """Take a batch of the source's images into the running statistics."""
        images = len(mean)
        if images == 0:
            return
        style = self.style(mean, var)
        distance = self.distance_of(style)  # by the statistics of the images before these
        # a batch with a NaN or an overflow, as of a step that AMP will skip, would never be
        # forgotten: nothing is learned from it
        usable = distance.isfinite().all()
        style = torch.where(usable, style, self.style_mean)
        distance = torch.where(usable, distance, torch.ones_like(distance))
        styles = usable.to(self.seen.dtype)
        counts = styles * (self.seen[0] >= FIRST)
        _move(
            self.log_distance[0],
            self.log_distance[1],
            distance.clamp(min=1e-6).log(),
            counts * _rate(images, self.seen[1]),
        )
        _move(
            self.style_mean,
            self.style_var,
            style,
            styles * _rate(images, self.seen[0]),
        )
        self.style_var.clamp_(min=1e-6)  # a dead channel has no variance
        self.seen += images * torch.stack([styles, counts])


def _rate(images: int, seen: Tensor) -> Tensor:
    """A batch's share of the running statistics: all images count alike, up to WINDOW of them."""
    return images / (seen + images).clamp(max=max(WINDOW, images))


def _move(mean: Tensor, var: Tensor, values: Tensor, rate: Tensor) -> None:
    """Move running ``mean`` and ``var`` towards those of ``values``, (N, ...), in place.

    Welford's update; at the rate n / (seen + n) it gives the statistics of all values so far.
    """
    before = values - mean
    mean += rate * before.mean(0)
    moved = var + rate * ((before * (values - mean)).mean(0) - var)
    var.copy_(moved.clamp(max=torch.finfo(var.dtype).max))  # infinite, it would be NaN next time


def find_trust(model: nn.Module) -> dict[str, Trust]:
    """Every trust inside ``model``, under the dotted name of its SNR."""
    return {
        name.removesuffix(".trust"): module
        for name, module in model.named_modules()
        if isinstance(module, Trust)
    }


@contextlib.contextmanager
def style_distances(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Within this block each SNR with trust in ``model`` notes the distances of its images.

    The dict has, under the SNR's dotted name, d / t of the images of each pass, (N,): above 1 lie
    2 of 100 of the source's own images, and an image far above looks like nothing learned. Passes
    of other threads are theirs.

    Example:
        >>> from snr_plugins.nn import insert_snr
        >>> _ = torch.manual_seed(0)
        >>> net = insert_snr(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3))), after=["0"])
        >>> for _ in range(20):  # training steps
        ...     features = net(torch.rand(8, 3, 16, 16))
        >>> with style_distances(net.eval()) as distances:
        ...     features = net(torch.cat([torch.rand(1, 3, 16, 16), 5 + torch.rand(1, 3, 16, 16)]))
        >>> [bool(d > 1) for d in distances["0.snr"][0]]  # the second is far too bright
        [False, True]
    """
    noted: dict[str, list[Tensor]] = {}
    thread = threading.get_ident()

    def note(name: str, trust: Trust, inputs: tuple[Tensor, Tensor], _: Tensor) -> None:
        if threading.get_ident() == thread:
            noted.setdefault(name, []).append(trust.relative_distance(*inputs).detach())

    hooks = [
        trust.register_forward_hook(partial(note, name))
        for name, trust in find_trust(model).items()
    ]
    try:
        yield noted
    finally:
        for hook in hooks:
            hook.remove()
