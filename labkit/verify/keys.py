"""What a key of a plain record names: a method, an order N, a quantity with its unit."""

import re
import unicodedata
from typing import Any

LEAST_N, MOST_N = 4, 100_000

_METHODS = {
    "naive": r"(?:matmul|mm|gemm|python)?(?:naive|naiv|naif|ingenu[ao]?|tripleloop)(?:matmul|python|loops?)?",
    "blocked": r"(?:matmul|mm)?(?:block(?:ed|s)?|tiled|geblockt|(?:em)?blocos?|bloques|bloqueado)(?:bs|size)?(\d*)",
    "einsum": r"(?:np|numpy)?(?:matmul)?einsum(?:ikkjij)?(opt\w*)?",
    "matmul": r"(?:np|numpy|blas)?(?:matmul|openblas|blas|numpy|np)(?:np|numpy|blas|reference|ref)?",
}
METHOD_KEY = re.compile(
    r"(?:method|name|variant|impl\w*|kernel|func\w*|algo\w*|methode|metodo|verfahren|variante|fn)s?"
)
N_KEY = re.compile(r"(?:n|size|dim|order|shape|matrixsize|x|tamanho|groesse|grosse|taille|nvalue|sizen)s?")
SKIP = re.compile(
    r"std|dev\b|stdev|err|var|iqr|mad\b|sem\b|low|high|lower|upper|\bci|p\d\d|resolution|cpu|limit|min_?(?:sec|time)|"
    r"speed_?up|fraction|percent|(?:^|_)ratio|stamp|expected|peak|roof|date|warm|theor"
)
_TIME = re.compile(
    r"sec|time|elapsed|duration|wall|zeit|dauer|tempo|tiempo|temps|timing|laufz|(?:^|_)(?:s|ms|us|ns|µs)(?:_|$)"
)
_UNITS = (
    (r"(?:^|_)(?:ms|msec|milli\w*)(?:_|$)", 1e-3),
    (r"(?:^|_)(?:us|µs|usec|micro\w*)(?:_|$)", 1e-6),
    (r"(?:^|_)(?:ns|nsec|nano\w*)(?:_|$)", 1e-9),
)
_TOTAL = re.compile(r"total|sum|overall|gesamt|all_")
SUMMARY = re.compile(r"median|mean|avg|average|best|value|result|min|mittel|media|mediana")
_CALLS = re.compile(r"calls?|number|inner|batch|loops")
_COUNT = re.compile(r"reps?|repet|repeat|iter|runs|samples|count|trials|wiederhol|rodadas|amostras|n_?runs")


def plain(text: str) -> str:
    """Lower case, without accents; words joined by one underscore."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", text).casefold().replace("g_flop", "gflop")
    return re.sub(r"[^\wµ]+|_+", "_", text).strip("_")


def method_of(text: str) -> str | None:
    """The method that a key or a value names: `np.matmul`, `matmul_naive`, `blocked-32`."""
    joined = plain(text).replace("_", "")
    for method, pattern in _METHODS.items():
        if found := re.fullmatch(pattern, joined):
            more = found[1] if found.groups() else None
            if method == "blocked" and more and int(more[:6]) != 64:
                return f"blocked_{int(more[:6])}"
            return "einsum_optimized" if method == "einsum" and more else method
    return None


def size_of(value: Any) -> int | None:
    """The order that a key or a value names: 64, "N=64", "64x64", [64, 64]."""
    if isinstance(value, list) and value and all(v == value[0] for v in value):
        value = value[0]
    if isinstance(value, str):
        found = re.fullmatch(
            r"(?:n|size|dim)?[_\s=:]*(\d{1,6})(?:(?:_|\s)*[x×](?:_|\s)*\1){0,2}", value.strip().casefold()
        )
        value = int(found[1]) if found else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and LEAST_N <= value <= MOST_N else None


def quantity(key: str) -> tuple[str, float] | None:
    """(what a key names, its unit in GFLOPS or seconds), or None."""
    key = plain(key)
    if re.search(r"extrapol|estimated|hochgerechnet|geschatzt", key):
        return "extrapolated", 1.0
    if SKIP.search(key):
        return None
    if "flop" in key:
        if key in ("flop", "flops", "flop_count", "flops_per_call") or "byte" in key:
            return None
        scale = next((s for word, s in (("gflop", 1.0), ("mflop", 1e-3), ("tflop", 1e3)) if word in key), 1e-9)
        return "rate", scale
    unit = next((scale for pattern, scale in _UNITS if re.search(pattern, key)), 1.0)
    if _TIME.search(key):
        return "total" if _TOTAL.search(key) else "seconds", unit
    if _COUNT.search(key):
        return "samples", 1.0
    return ("calls", 1.0) if _CALLS.search(key) else None
