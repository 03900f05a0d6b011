"""M3SDA's distance against values derived by hand."""

import pytest
import torch

from snr_plugins.errors import InputError
from snr_plugins.nn.moment_distance import moment_distance

# Means: (1, 0), (4, 4), (1, 4); of squares: (1, 0), (16, 16), (2, 16)
A = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
B = torch.tensor([[4.0, 4.0]])
C = torch.tensor([[0.0, 4.0], [2.0, 4.0]])
T = torch.zeros(3, 2)


def test_first_moments_of_three_sources():
    # to the target 1, sqrt(32), sqrt(17); A-B (3, 4): 5, A-C (0, 4): 4, B-C (3, 0): 3
    expected = (1 + 32**0.5 + 17**0.5) / 3 + (5 + 4 + 3) / 3
    torch.testing.assert_close(moment_distance([A, B, C], T, moments=1), torch.tensor(expected))


def test_second_moments_are_added():
    # to the target 1, sqrt(512), sqrt(260); A-B (15, 16), A-C (1, 16), B-C (14, 0)
    first = (1 + 32**0.5 + 17**0.5) / 3 + (5 + 4 + 3) / 3
    second = (1 + 512**0.5 + 260**0.5) / 3 + (481**0.5 + 257**0.5 + 14) / 3
    torch.testing.assert_close(moment_distance([A, B, C], T), torch.tensor(first + second))


def test_one_source_has_no_pairs_and_equal_moments_no_distance():
    torch.testing.assert_close(moment_distance([B], T, moments=1), torch.tensor(32**0.5))
    assert moment_distance([C, C.flip(0)], C) == 0


def test_each_pair_counts_once_in_any_order():
    torch.testing.assert_close(moment_distance([C, A, B], T), moment_distance([A, B, C], T))


def test_means_are_matched_not_samples():
    """Samples far apart with the same moments have no distance, whatever their order or number."""
    many = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
    assert moment_distance([many], torch.tensor([[-1.0], [1.0]])) == 0


def test_gradients_reach_every_domain_and_are_finite_where_moments_agree():
    domains = [torch.randn(4, 3, requires_grad=True) for _ in range(3)]
    moment_distance(domains[:2], domains[2]).backward()
    assert all(d.grad.abs().sum() > 0 for d in domains)
    same = torch.randn(4, 3)
    domains = [same.clone().requires_grad_() for _ in range(3)]
    moment_distance(domains[:2], domains[2]).backward()
    assert all(torch.isfinite(d.grad).all() for d in domains)


def test_an_empty_domain_is_refused():
    with pytest.raises(InputError, match="needs a sample of each domain"):
        moment_distance([A, torch.zeros(0, 2)], T)
    with pytest.raises(InputError, match="needs a sample of each domain"):
        moment_distance([], T)
