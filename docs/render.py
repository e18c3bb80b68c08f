"""Draw the pictures of the documentation: what they show is what the demo does, today.

`make docs` runs this. It needs Chromium, which only looks at the page that the demo wrote.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import which

HERE = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--virtual-time-budget=10000",  # charts are drawn by a script, after the page has loaded
)
WIDTH, HEIGHT = 1440, 1275  # down to where the drawdown ends
MISSING = """\
No Chromium found (looked for {names} on PATH).
Install one and run `make docs` again: `apt-get install chromium` on Debian,
`dnf install chromium` on Fedora, `brew install --cask chromium` on macOS.\
"""


def main() -> int:
    """Run the demo, look at its report, keep the picture; 1 when there is nothing to look with."""
    browser = next(filter(None, map(which, BROWSERS)), None)
    if browser is None:
        print(MISSING.format(names=", ".join(BROWSERS)), file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        page = demo_report(Path(folder))
        draw(browser, page, HERE / "report-light.png", profile=Path(folder, "profile"))
    print(f"drew {HERE.name}/report-light.png")
    return 0


def demo_report(folder: Path) -> Path:
    """Run the demo as a user would and return the page it wrote."""
    evenkeel = Path(sys.executable).with_name("evenkeel")
    command = (evenkeel, "demo", "--no-serve", "--out", folder)
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    (page,) = folder.rglob("report.html")
    return page


def draw(browser: str, page: Path, picture: Path, *, profile: Path) -> None:
    """Take a picture of the top of a page, at the width of a desk screen."""
    command = (
        browser,
        *FLAGS,
        f"--user-data-dir={profile}",
        f"--window-size={WIDTH},{HEIGHT}",
        f"--screenshot={picture}",
        page.as_uri(),
    )
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
