"""Features: referencing, wavelet power, slow traces, and targets on the same bins."""

from nwbdecode.features.align import align
from nwbdecode.features.morlet import band_frequencies
from nwbdecode.features.power import from_recipe, power_labels, traces, wavelet_power

__all__ = ["align", "band_frequencies", "from_recipe", "power_labels", "traces", "wavelet_power"]
