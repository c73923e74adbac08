"""A real Chromium opens the presigned URL and runs the sample notebook, as either scientist."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake
from tests.e2e.studio_lab import Lab, furnish, space

_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def lab(lake: Lake) -> Iterator[Lab]:
    made = furnish(lake)
    yield made
    made.dismantle()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path="/usr/bin/chromium", headless=True, args=list(_FLAGS),
            viewport={"width": 1280, "height": 2000},  # JupyterLab renders what is in sight
        )  # fmt: skip
        yield context.pages[0]
        context.close()


@pytest.mark.parametrize("who", [FULL, LIMITED])
def test_the_sample_notebook_shows_exactly_the_granted_columns(lab: Lab, page: Page, who: str, tmp_path: Path) -> None:
    dataset = lab.lake.dataset
    landing = "app:JupyterLab:lab/tree/samples/lake-tour.ipynb"
    page.goto(lab.url(who, SpaceName=space(who), LandingUri=landing), timeout=60_000)
    expect(page.locator(".jp-Notebook")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    select = page.get_by_role("dialog").get_by_role("button", name="Select Kernel", exact=True)
    if select.is_visible():
        select.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    told = page.locator(".jp-OutputArea-output", has_text="columns:").last
    expect(told).to_be_visible(timeout=90_000)
    page.screenshot(path=str(tmp_path / f"{who}.png"))
    wanted = [name for name, _ in dataset.columns] if who == FULL else list(dataset.permitted)
    assert told.inner_text().strip() == f"columns: {', '.join(wanted)}"
    assert page.locator(".jp-OutputArea-output table").first.locator("thead th").all_inner_texts() == ["", *wanted]
    assert (dataset.hidden[0] in page.content()) is (who == FULL)
    picture = page.locator(".jp-OutputArea-output img[src^='data:image/png']")
    expect(picture).to_be_visible(timeout=90_000)
    assert picture.evaluate("image => image.naturalWidth") > 300


def test_a_person_makes_starts_and_stops_a_space_by_its_buttons(lab: Lab, page: Page) -> None:
    page.goto(lab.url(FULL))
    page.get_by_placeholder("name").fill("by-hand")
    page.get_by_role("button", name="Create JupyterLab space").click()
    row = page.locator("tr", has_text="by-hand")
    expect(row).to_contain_text("stopped")
    row.get_by_role("button", name="Start").click()
    expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)
    page.goto(f"http://localhost:{lab.port}/_studio/{lab.domain}/{FULL}/")
    row = page.locator("tr", has_text="by-hand")
    expect(row).to_contain_text("InService")
    row.get_by_role("button", name="Stop").click()
    lab.await_app("by-hand", "Deleted")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator(".error")).to_contain_text("not signed in")
    assert lab.events("CreateSpace")[0]["userIdentity"]["sessionContext"]["sourceIdentity"] == FULL
    assert lab.events("StudioSignOut")[0]["userIdentity"]["userName"] == FULL
