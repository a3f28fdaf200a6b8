"""The organisation corpus: mail of a hundred mailboxes as plain files, made once and kept; and its second day.

Its generator is not part of this repository: it lies in `shared/bench` beside the clone, or where C2B_SHARED says.
"""

import os
import shutil
import sys

import machine

# Documentation and pictures, from which the generator takes texts and attachments.
PACKAGES = (
    "asymptote-doc debian-policy developers-reference gimp-help-en gnome-backgrounds gnuplot-doc"
    " inkscape-tutorials libreoffice-common maxima-doc octave-doc r-doc-pdf texlive-latex-recommended-doc"
).split()


class Organisation:
    """A generated corpus below a directory that outlives the bench."""

    def __init__(self, generator, base):
        self.generator = generator
        self.top = os.path.join(base, "corpus")
        self.assets = os.path.join(base, "assets")
        self.live = os.path.join(self.top, "org", "live")
        self.delta = os.path.join(self.top, "org", "delta")

    def prepare(self, say):
        """Generates it unless an earlier run did; undoes a second day that an ended run left behind."""
        if not os.path.exists(os.path.join(self.top, "org", "manifest.json")):
            assets = os.environ.get("ASSET_DIRS") or self.default_assets(say)
            say("generating the organisation (2 GB, about two minutes)")
            self.call("generate", {"ASSET_DIRS": assets})
        elif self.applied():
            self.call("revert")

    def default_assets(self, say):
        """Unpacks the packages (not installed), and returns them with this machine's own documentation."""
        if not os.path.isdir(self.assets):
            say("fetching documentation packages for the organisation's attachments")
            work = self.assets + ".new"
            shutil.rmtree(work, ignore_errors=True)
            os.makedirs(work)
            try:
                # The sandbox user of apt may not write here, and need not.
                machine.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", *PACKAGES], cwd=work)
                machine.run("for package in *.deb; do dpkg -x $package . && rm $package; done", cwd=work)
                os.rename(work, self.assets)
            except machine.Failed as failure:
                say(f"going on with /usr/share/doc alone: {failure}")
                return "/usr/share/doc"
        return f"/usr/share/doc:{self.assets}"

    def applied(self):
        """Is true when the second day's new files lie in the corpus."""
        with open(os.path.join(self.delta, "ops.tsv"), encoding="utf-8") as file:
            new = next(line.split("\t")[1] for line in file if line.startswith("new\t"))
        return os.path.exists(os.path.join(self.live, new))

    def call(self, command, env=None):
        machine.run([sys.executable, self.generator, command], env={"CORPUS_DIR": self.top, **(env or {})})

    def warm(self):
        """Reads every file once, so that a program is measured and not the disk."""
        machine.run(f"find '{self.live}' -type f -print0 | xargs -0 cat >/dev/null")

    def bytes(self):
        return machine.size(self.live)[1]

    def __enter__(self):
        """The second day begins: about one in a hundred messages is new, gone, moved or flagged."""
        self.call("apply")
        return self

    def __exit__(self, *_):
        self.call("revert")


def generator():
    """Returns the generator's path, or none where it is absent."""
    here = os.path.dirname(os.path.abspath(__file__))
    shared = os.environ.get("C2B_SHARED") or os.path.join(here, "..", "..", "..", "shared")
    path = os.path.abspath(os.path.join(shared, "bench", "org_corpus.py"))
    return path if os.path.exists(path) else None
