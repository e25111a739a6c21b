"""Vega, Vega-Lite and their embedding as one script, as vl-convert carries them: nothing is fetched."""

import altair
import vl_convert

# Sets window.vegaEmbed, which is all that the page's own script calls.
SNIPPET = "window.vegaEmbed = vegaEmbed;"


def scripts() -> str:
    """The libraries, of the version that Altair's specifications are written for."""
    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])
    return vl_convert.javascript_bundle(SNIPPET, vl_version=version)
