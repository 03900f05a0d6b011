"""Layers that give an image another style in training, and are not there at test.

They have no parameters, so nothing to calibrate, and keep every key of a checkpoint as it is. Each
forward throws one coin for the whole batch, as the released codes do; where it says no, and in
evaluation, the input itself comes back and no map is walked. All draws come from torch's own
generator, in float32 whatever the features are: one seed gives the same styles in every precision.
"""

# no annotations from __future__: TorchScript reads those of methods that it does not compile
import torch
from torch import Tensor
from torch.distributions import Beta

from snr_plugins.errors import InputError
from snr_plugins.nn.affine import Affine
from snr_plugins.nn.style import StyleLayer

EPS = 1e-6  # added to variances, as in the released codes of MixStyle and DSU


class RandomStyle(StyleLayer):
    """What they share: acting in training, with a probability.

    Args:
        channels: C.
        probability: that a forward in training acts on its batch.
        inplace: see :class:`StyleLayer`.

    Raises:
        InputError: ``probability`` is not within 0 and 1.
    """

    min_batch = 1  # images that the formula needs; smaller batches pass unchanged

    def __init__(self, channels: int, probability: float = 0.5, inplace: bool = False) -> None:
        super().__init__(channels, inplace)
        if not 0 <= probability <= 1:
            raise InputError(
                f"{type(self).__name__}: probability {probability} must be between 0 and 1"
            )
        self.probability = probability
        # attributes of the object, which TorchScript can read
        self.least, self.eps = self.min_batch, EPS

    def acts(self, features: Tensor) -> bool:
        if not self.training or features.shape[0] < self.least:
            return False
        return bool(torch.rand(1) < self.probability)

    def extra_repr(self) -> str:
        return f"channels={self.channels}, probability={self.probability}"


class MixStyle(RandomStyle):
    """MixStyle (Zhou et al., arXiv 2104.02008): the style between an image's and another's.

    With a share lambda ~ Beta(alpha, alpha) per image, and the batch in a random order,

        sigma' = lambda sigma + (1 - lambda) sigma[order]        mu' likewise
        out    = sigma' (F - mu) / sigma + mu'                   sigma = sqrt(var + 1e-6)

    No gradient goes through mu and sigma. A batch of one image is left as it is. The variance is
    the paper's (over H W); the released code divides by H W - 1. Without labels of domains in the
    batch, the order is the paper's random one.

    Args:
        channels: C.
        probability: see :class:`RandomStyle`; the paper's is 0.5.
        alpha: of the Beta distribution; at the paper's 0.1 most shares are near 0 or 1.
        inplace: see :class:`StyleLayer`.

    Raises:
        InputError: ``alpha`` is not positive, or ``probability`` not within 0 and 1.
    """

    min_batch = 2

    def __init__(
        self,
        channels: int,
        probability: float = 0.5,
        alpha: float = 0.1,
        inplace: bool = False,
    ) -> None:
        super().__init__(channels, probability, inplace)
        if alpha <= 0:
            raise InputError(f"MixStyle: alpha {alpha} must be positive")
        self.alpha = alpha

    def coefficients(self, mean: Tensor, var: Tensor) -> Affine:
        share = self._shares(mean).to(mean.dtype)  # (N, 1)
        order = torch.randperm(len(mean), device=mean.device)
        mu, sigma = mean.detach(), torch.sqrt(var.detach() + self.eps)
        scale = (share * sigma + (1 - share) * sigma[order]) / sigma
        centre = share * mu + (1 - share) * mu[order]
        # the map is written on F - mean, which is not detached: scale * mean goes out again
        return Affine(scale, centre + scale * (mean - mu))

    @torch.jit.unused  # TorchScript knows no distributions: scripted, it is for evaluation alone
    def _shares(self, mean: Tensor) -> Tensor:
        alphas = torch.full((len(mean), 1), self.alpha, device=mean.device)
        return Beta(alphas, alphas, validate_args=False).sample()


class DSU(RandomStyle):
    """Uncertainty of feature statistics (Li et al., arXiv 2202.03958): noise as large as the batch's.

        mu'    = mu + n1 std_batch(mu)        sigma' = sigma + n2 std_batch(sigma)
        out    = sigma' (F - mu) / sigma + mu'                   sigma = sqrt(var + 1e-6)

    with n1, n2 ~ N(0, 1) per image and channel, and std_batch(s) = sqrt(var over images of s +
    1e-6) per channel. Gradients go through all of it, as in the released code, which detaches
    nothing. Variances are the paper's, of the batch itself; the released code's are unbiased, so
    its noise is larger by sqrt(N / (N - 1)). A batch of one image is left as it is, and one of two
    says little of how styles vary: with one or two images per device expect little.
    """

    min_batch = 2

    def coefficients(self, mean: Tensor, var: Tensor) -> Affine:
        sigma = torch.sqrt(var + self.eps)
        centre = mean + _normal(mean) * self._deviation(mean)
        return Affine((sigma + _normal(sigma) * self._deviation(sigma)) / sigma, centre)

    def _deviation(self, statistic: Tensor) -> Tensor:
        """Over the images, (1, C), of (N, C)."""
        return torch.sqrt(statistic.var(dim=[0], unbiased=False, keepdim=True) + self.eps)


class NormalisationPerturbation(RandomStyle):
    """Normalization Perturbation, NP (Fan et al., arXiv 2211.04393): noise on both statistics.

        out = alpha (F - mu) + beta mu        alpha, beta ~ N(1, std^2) per image and channel

    So mean and deviation are each multiplied by a number of its own. No image needs another one.
    NP+, which perturbs channels by how much they vary over the batch, is not this.

    Args:
        channels: C.
        probability: see :class:`RandomStyle`.
        std: of alpha and beta; the paper's is 0.75.
        inplace: see :class:`StyleLayer`.

    Raises:
        InputError: ``std`` is negative, or ``probability`` not within 0 and 1.
    """

    def __init__(
        self,
        channels: int,
        probability: float = 0.5,
        std: float = 0.75,
        inplace: bool = False,
    ) -> None:
        super().__init__(channels, probability, inplace)
        if std < 0:
            raise InputError(f"NormalisationPerturbation: std {std} must not be negative")
        self.std = std

    def coefficients(self, mean: Tensor, var: Tensor) -> Affine:
        alpha = 1 + self.std * _normal(mean)
        beta = 1 + self.std * _normal(mean)
        return Affine(alpha, beta * mean)


def _normal(like: Tensor) -> Tensor:
    """N(0, 1) in the shape of ``like``, the same numbers whatever its type."""
    return torch.randn(like.shape, device=like.device).to(like.dtype)
