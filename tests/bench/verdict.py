"""The archive's figures as tables: each program's medians, and ours as ratios beside the best of the others."""

import statistics

import rivals
from report import mb, secs, table, whole

# What one core should read back in a second of CPU time, where no other program does more.
READ_MB_PER_CPU_SEC = 400

# Memory in every operation, in MiB; opening, in ms; and a look-up beside one in an archive of a tenth: a tree that is ten times larger is a level deeper.
RSS_MB_MAX = 512
OPEN_MS_MAX = 1000
LOOKUP_RATIO_MAX = 1.5

OURS = [rivals.Unsealed.name, rivals.Sealed.name]
FAST = [kind.name for kind in rivals.FAST]


def text(results):
    """Returns the whole report."""
    rounds = results["rounds"]
    versions = results["versions"]
    quiet = [step["others_percent"] for figures in rounds for steps in figures.values() for step in steps.values() if step]
    lines = [
        f"Organisation corpus, {mb(results['corpus_bytes'])} MB; {results['cpus']} CPUs; medians of {len(rounds)} interleaved rounds;"
        f" other programs used {statistics.median(quiet) if quiet else 0:.0f} % of the machine (at most {max(quiet, default=0):.0f} %).",
        "",
        table(HEADS, [row(rounds, name, versions) for name in versions]),
        "",
        "Sizes are of all files of the archive. CPU and memory are of the whole process. `read` is everything of the first run, written nowhere."
        " restic and rustic always encrypt; borg and bup run without.",
        "",
        table(["", "c2b, unsealed", "c2b, sealed", "the other", "ratio", "ratio, sealed", "at most", "sealed"], list(ratios(results))),
    ]
    if results.get("large") or results.get("scale"):
        lines += ["", table(["sealed", "figure", "at most", ""], list(limits(results)))]
    lines += [f"\n**{problem}**" for problem in results["problems"]]
    return "\n".join(lines)


HEADS = ["", "version", "first: MB", "CPU s", "wall s", "RSS MB", "no change: CPU s", "wall s", "day two: CPU s", "wall s", "grown MB", "read: MB per CPU s", "MB/s"]


def row(rounds, name, versions):
    """One program's line."""
    corpus = content_bytes(rounds)
    cells = [name, versions[name], cell(rounds, name, "first", "bytes", mb)]
    cells += [cell(rounds, name, "first", figure, secs) for figure in ("cpu_secs", "wall_secs")]
    cells += [cell(rounds, name, "first", "rss_mb", whole)]
    cells += [cell(rounds, name, step, figure, secs) for step in ("same", "day two") for figure in ("cpu_secs", "wall_secs")]
    grown = difference(median(rounds, name, "day two", "bytes"), median(rounds, name, "same", "bytes"))
    cells.append(None if grown is None else mb(grown))
    cells += [cell(rounds, name, "read", figure, lambda value: whole(corpus / 1e6 / value)) for figure in ("cpu_secs", "wall_secs")]
    return cells


def ratios(results):
    """The limits that the archive is held to, a line for each."""
    rounds = results["rounds"]
    yield compared(rounds, "size, of the smallest of restic, borg, rustic", "first", "bytes", FAST, 0.42, mb)
    yield compared(rounds, "size, of bup", "first", "bytes", [rivals.Bup.name], 0.65, mb)
    yield compared(rounds, "size, of tar", "first", "bytes", [rivals.Tar.name], 1.10, mb)
    for step, what in (("first", "first run"), ("same", "no change"), ("day two", "day two")):
        for figure, unit in (("cpu_secs", "CPU s"), ("wall_secs", "wall s")):
            yield compared(rounds, f"{what}, {unit}, of the fastest", step, figure, FAST, 1.0, secs)
    yield reading(rounds)
    shared = results.get("shared", {})
    plain, sealed = ((shared.get(name) or {}).get("ratio") for name in OURS)
    yield ["10 MiB attachment in 100 mailboxes, of once", *shown(plain, sealed, None, 1.10, lambda value: f"{value:.3f}")]
    for figure, limit in (("p50_ms", 1.0), ("p99_ms", None)):
        plain, sealed = (median(rounds, name, "cold", figure) for name in OURS)
        yield [f"cold small item, ms ({figure[:3]})", *shown(plain, sealed, None, limit, lambda value: f"{value:.2f}")]


def limits(results):
    """Memory of every operation, and what must not grow with the archive."""
    for mode, what in (("large-item", "message of 1 GiB, put and read"), ("large-folder", "folder of 100,000 items, deleted at once")):
        figures = results.get("large", {}).get(mode)
        if figures:
            yield limited(f"{what}, RSS MiB", figures["rss_mb"], RSS_MB_MAX, whole)
    full, tenth = results.get("scale"), results.get("scale tenth")
    if not full or not tenth:
        return
    items = f"{full['scale']['items']:,} items, {full['scale']['chunks']:,} chunks"
    for step, figures in full.items():
        yield limited(f"{items}: {step}, {secs(figures['cpu_secs'])} CPU s, RSS MiB", figures["rss_mb"], RSS_MB_MAX, whole)
    for step, what in (("open", "opened, page cache empty"), ("reader", "opened for reading, page cache empty")):
        yield limited(f"{items}: {what}, ms", full[step]["open_ms"], OPEN_MS_MAX, whole)
    for what, figure in (("ask about an item, µs", "known_us_per_item"), ("read an item, ms (p50)", "read_p50_ms")):
        yield limited(f"{items}: {what}", full["scale-open"][figure], None, secs)
    known = full["scale-open"]["known_us_per_item"] / tenth["scale-open"]["known_us_per_item"]
    yield limited(f"{items}: ask about an item, of the same with a tenth of the items", known, LOOKUP_RATIO_MAX, lambda value: f"{value:.2f}")
    yield limited(f"{items}: longest step of freeing, ms", full["free"]["longest_step_ms"], None, whole)
    yield limited(f"{items}: size, MB", full["scale"]["bytes"], None, mb)


def limited(what, value, limit, write):
    """A figure that has a limit of its own, or none."""
    met = None if limit is None else "met" if value <= limit else "**missed**"
    return [what, write(value), None if limit is None else f"{limit:g}", met]


def compared(rounds, what, step, figure, others, limit, write):
    """Ours beside the best of some others."""
    found = [(median(rounds, name, step, figure), name) for name in others]
    best = min(((value, name) for value, name in found if value is not None), default=None)
    plain, sealed = (median(rounds, name, step, figure) for name in OURS)
    if best is None:
        return [what, *shown(plain, sealed, None, None, write)]
    return [what, *shown(plain, sealed, best, limit, write)]


def reading(rounds):
    """Reading everything back, in MB for each CPU second: as good as the best of the others, or 400."""
    speeds = {name: speed(rounds, name) for name in [*OURS, *FAST]}
    best = max(((value, name) for name, value in speeds.items() if value and name not in OURS), default=None)
    plain, sealed = (speeds[name] for name in OURS)
    cells = shown(plain, sealed, best, None, whole)[:5]
    wanted = min(READ_MB_PER_CPU_SEC, best[0] if best else READ_MB_PER_CPU_SEC)
    met = None if sealed is None else "met" if sealed >= wanted else "**missed**"
    return ["read everything, MB per CPU s, of the fastest", *cells, f"at least {whole(wanted)}", met]


def speed(rounds, name):
    """Returns how many MB of contents a program reads in a CPU second."""
    corpus, spent = content_bytes(rounds), median(rounds, name, "read", "cpu_secs")
    return corpus / 1e6 / spent if corpus and spent else None


def content_bytes(rounds):
    """Returns the corpus's size, as our program counted it."""
    return max((median(rounds, name, "first", "content_bytes") or 0 for name in OURS), default=0)


def shown(plain, sealed, best, limit, write):
    """The cells of a line; a figure without a peer is compared with its limit itself."""
    against = best[0] if best else 1.0
    cells = [None if value is None else write(value) for value in (plain, sealed)]
    cells.append(f"{write(best[0])} ({best[1]})" if best else None)
    cells += [None if value is None or not best else f"{value / against:.2f}" for value in (plain, sealed)]
    met = None if limit is None or sealed is None else "met" if sealed / against <= limit else "**missed**"
    return [*cells, None if limit is None else f"{limit:.2f}", met]


def cell(rounds, name, step, figure, write):
    value = median(rounds, name, step, figure)
    return None if value is None else write(value)


def median(rounds, name, step, figure):
    """Returns the median over the rounds, or none."""
    values = [((figures.get(name) or {}).get(step) or {}).get(figure) for figures in rounds]
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def difference(one, other):
    return None if one is None or other is None else one - other
