"""What `msdata publish` wants to know of a data set that is drawn to measure with."""

NOTHING = "Nothing: drawn to measure with."
CARD = f"""
name = "Growth"
description = "Drawn images, to measure with."
license = "CC0-1.0"
creators = [{{ name = "Nobody" }}]
citation = "@misc{{growth}}"
date_published = "2026-01-01"
url = "https://example.org/growth"
version = "1.0.0"
derived_from = [{{ name = "{NOTHING}" }}]
generated_by = [{{ name = "benches/growth_set.py" }}]
[rai]
data_collection = "{NOTHING}"
data_biases = "{NOTHING}"
personal_sensitive_information = "{NOTHING}"
data_limitations = "{NOTHING}"
data_use_cases = "{NOTHING}"
data_social_impact = "{NOTHING}"
has_synthetic_data = true
[references]
license = "CC0-1.0"
"""
