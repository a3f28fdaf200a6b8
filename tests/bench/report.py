"""The tables: markdown for people, JSON for comparisons."""

import json


def mb(size):
    """Writes bytes as MB (10^6)."""
    return f"{size / 1e6:,.0f}" if size >= 10e6 else f"{size / 1e6:.2f}"


def secs(value):
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def table(heads, rows):
    """Returns a markdown table; a missing figure is a dash."""
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    for row in rows:
        lines.append("| " + " | ".join("–" if cell is None else str(cell) for cell in row) + " |")
    return "\n".join(lines)


def optional(figures, key, write):
    value = (figures or {}).get(key)
    return None if value is None else write(value)


def whole(value):
    return f"{value:,.0f}"


def backup_table(results):
    """The first backup and the one after it, a line for each program."""
    size = results["company"]["bytes"]
    rows = []
    for name, steps in results["backup"].items():
        first, again = steps.get("first"), steps.get("again")
        rows.append([
            name,
            optional(first, "wall_secs", secs),
            optional(first, "wall_secs", lambda wall: f"{size / 1e6 / wall:.0f}"),
            optional(first, "cpu_secs", secs),
            optional(first, "rss_mb", whole),
            optional(first, "requests", whole),
            optional(first, "fetched_bytes", mb),
            optional(first, "archive_bytes", mb),
            optional(again, "wall_secs", secs),
            optional(again, "cpu_secs", secs),
            optional(again, "requests", whole),
            optional(again, "fetched_bytes", mb),
            optional(again, "grown_bytes", mb),
        ])
    heads = ["first backup", "wall s", "MB/s", "CPU s", "RSS MB", "requests", "fetched MB", "archive MB"]
    heads += ["no change: wall s", "CPU s", "requests", "fetched MB", "grown MB"]
    return table(heads, rows)


def mount_table(results):
    """Reading files, a line for each program."""
    rows = []
    for name, figures in results["mount"].items():
        rows.append([
            name,
            optional(figures, "ready_secs", secs),
            optional(figures, "files", whole),
            pair(figures, "find_cold_secs", "find_warm_secs"),
            pair(figures, "list_cold_secs", "list_warm_secs"),
            optional(figures, "list_entries", whole),
            optional(figures, "cat_bytes", mb),
            optional(figures, "cat_secs", secs),
            optional(figures, "cat_mb_per_sec", whole),
            optional(figures, "cpu_secs", secs),
        ])
    heads = ["mounted", "ready s", "files", "find cold/warm s", "`ls -l` of the largest folder cold/warm s", "its entries"]
    heads += ["cat MB", "cat s", "MB/s", "mount's CPU s"]
    return table(heads, rows)


def pair(figures, first, second):
    if not figures or first not in figures:
        return None
    return f"{secs(figures[first])} / {secs(figures[second])}"


def text(results):
    """Returns the whole report."""
    company = results["company"]
    lines = [
        f"{company['messages']:,} messages in {company['mailboxes']} mailboxes: {company['files']:,} files, {mb(company['bytes'])} MB"
        f" (on ext4 {mb(company['allocated_bytes'])} MB), seed {company['seed']}; {results['cpus']} CPUs;"
        f" other programs used {results['others_percent']:.0f} % of them during the first backup.",
        "",
        backup_table(results),
        "",
        "CPU of c2b is that of `c2bd` alone. The floor of the network is the same items fetched and thrown away. MB/s is the company's size by wall clock."
        " The smallest memory that can be told is that of the bench itself.",
        "",
        mount_table(results),
        "",
        "Cold: a new mount, and the contents of archive or tree not in the page cache.",
    ]
    if results.get("exchangelib"):
        lines += ["", beside_exchangelib(results)]
    lines += [f"\n**{problem}**" for problem in results["problems"]]
    return "\n".join(lines)


def beside_exchangelib(results):
    """Says how fast a script with exchangelib fetches the same kind of mail, and how many times that we are."""
    figures = results["exchangelib"]
    speed = figures["bytes"] / 1e6 / figures["wall_secs"]
    said = (
        f"exchangelib fetches {figures['items']:,} items of {figures['mailboxes']} mailboxes ({mb(figures['bytes'])} MB) from the same lab in {secs(figures['wall_secs'])} s,"
        f" {secs(figures['cpu_secs'])} of them its own CPU, in {figures['threads']} threads: {secs(speed)} MB/s"
    )
    first = results["backup"].get("c2b", {}).get("first")
    if not first:
        return said + "."
    ours = results["company"]["bytes"] / 1e6 / first["wall_secs"]
    return f"{said}. c2b's first backup is {ours / speed:.0f} times as fast."


def save(results, path):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=2, ensure_ascii=False)
        file.write("\n")
