"""The options of SNR as a config gives them."""

from __future__ import annotations

from snr_plugins.errors import InputError

OPTIONS = ("reduction", "gate_bias", "eps", "gate")  # of snr_plugins.nn.SNR


def check_options(owner: str, snr: dict[str, object] | None) -> dict[str, object]:
    """``snr`` itself, empty for None.

    Raises:
        InputError: it holds an option that SNR does not have; named with its ``owner``.
    """
    options = dict(snr or {})
    unknown = sorted(options.keys() - set(OPTIONS))
    if unknown:
        raise InputError(
            f"{owner} snr={options}: there is no option '{unknown[0]}'; choose from: "
            f"{', '.join(OPTIONS)}"
        )
    return options
