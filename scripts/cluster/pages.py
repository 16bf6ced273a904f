"""What the other pages have for a cluster, and whether a command of any page was left out."""

from cluster import Failed, check, must
from documents import Documents
from house import ROOT


class Pages:
    """An installation that runs, after the groups of checks before it."""

    def __init__(self, house):
        self.house, self.desk = house, house.docs.folder

    def checks(self):
        last = [("every command that is marked for a cluster was run", self.all_run)] if self.house.whole else []
        return [
            ("an installation runs", self.start),
            ("docs/troubleshooting.md: each command ends well where nothing is wrong", self.troubleshooting),
            *last,
        ]

    def start(self):
        self.house.running()

    def troubleshooting(self):
        authorities = self.house.values()["customCaCert"]
        (self.desk / "ca.crt").write_text(authorities)
        page = self.page("docs/troubleshooting.md")
        commands = page.left()
        check(commands, "the page has no command that is not run elsewhere")
        for command in commands:
            must(page.run(exactly=command))
        return f"{len(commands)} commands"

    def all_run(self):
        pages = [self.page(name) for name in ["README.md", "docs/install.md", "docs/troubleshooting.md"]]
        left = [f"{page.name}: {command}" for page in pages for command in page.left()]
        if left:
            raise Failed("\n".join(left))

    def page(self, name):
        return Documents(ROOT / name, self.desk, self.house.docs.filled)
