"""The dashboard in a real browser, over a real daemon whose backends die and come back."""

from __future__ import annotations

import http.client
import json
import urllib.request

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_site import ZONE, many
from playwright.sync_api import expect

SIZES = [(360, 740), (1024, 768), (1600, 1000)]


def fits(page):
    wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return wide <= window


def row(page, name):
    return page.locator("#rows tr", has=page.get_by_role("button", name=name, exact=True))


def accessible(page):
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_size_and_colour(small, visit, width, height, colours):
    page = visit(small.api, width, height, colours)
    expect(page.locator("#connection")).to_contain_text("Live")
    expect(page.locator("#rows tbody tr")).to_have_count(3)
    expect(page.locator("#service-list")).to_contain_text("europe/fra1")
    page.fill("#ask-name", "www.example.com")
    page.press("#ask-name", "Enter")
    expect(page.locator(".path")).to_contain_text("Answers")
    assert page.evaluate("document.documentElement.dataset.theme") == colours
    assert fits(page)
    assert accessible(page) == []


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_three_thousand_backends(site, visit, width, height):
    page = visit(site(many(3000)).api, width, height)
    expect(page.locator("#count")).to_have_text("3,000 backends")
    expect(page.locator("#rows tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#page")).to_have_text("Page 2 of 60")
    page.fill("#filter", "b02999")
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    expect(page.locator("#count")).to_have_text("1 of 3,000 backends")
    assert fits(page)


def test_a_verdict_appears_as_it_changes(small, webs, visit):
    page = visit(small.api)
    expect(row(page, "europe/ams1")).to_contain_text("IPv4 up")
    expect(page.locator("#timeline")).to_be_visible()
    webs[1].stop()
    expect(row(page, "europe/ams1")).to_contain_text("IPv4 down")
    expect(row(page, "europe/ams1")).to_contain_text("connection refused")
    expect(page.locator("#events")).to_contain_text("europe/ams1 down")
    expect(page.locator("#service-list")).to_contain_text("meant 100%")
    page.check("#only-down")
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    page.uncheck("#only-down")
    webs[1].start()
    expect(row(page, "europe/ams1")).to_contain_text("IPv4 up")


def test_drained_and_undrained_by_keyboard_alone(small, visit):
    page = visit(small.api)
    button = page.get_by_role("button", name="Drain europe/fra1", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#operate")).to_be_visible()
    expect(page.locator("#operate-reason")).to_be_focused()
    expect(page.locator("#operate")).not_to_contain_text("Working out")
    assert accessible(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#operate")).to_be_hidden()
    assert "state auto" not in "\n".join(small.daemon.lines)
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("new disk")
    page.keyboard.press("Tab")
    page.keyboard.type("1h")
    page.keyboard.press("Enter")
    expect(page.locator("#operate")).to_be_hidden()
    expect(row(page, "europe/fra1")).to_contain_text("new disk")
    expect(row(page, "europe/fra1")).to_contain_text("until")
    assert backend(small.api, "europe/fra1")["state"] == "drain"
    page.get_by_role("button", name="Undrain europe/fra1").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#operate")).to_be_visible()
    page.keyboard.press("Enter")
    expect(row(page, "europe/fra1")).to_contain_text("auto")
    assert backend(small.api, "europe/fra1")["state"] == "auto"


def backend(port, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/backends/{name}") as answer:
        return json.load(answer)


def test_why_this_answer(small, visit):
    page = visit(small.api)
    page.fill("#ask-name", "www.example.com")
    page.fill("#ask-client", "192.0.2.7")
    page.press("#ask-client", "Enter")
    path = page.locator(".path")
    expect(path).to_contain_text("from 192.0.2.7")
    expect(path).to_contain_text("75%")
    expect(path).to_contain_text("A 127.0.0.11")
    page.fill("#ask-name", "elsewhere.test")
    page.press("#ask-name", "Enter")
    expect(path).to_contain_text("REFUSED")
    page.fill("#ask-type", "NONSENSE")
    page.press("#ask-type", "Enter")
    expect(page.locator("#explanation")).to_contain_text("no record type")


def test_a_lost_connection_is_told_and_comes_back(small, visit):
    page = visit(small.api)
    told = page.locator("#connection")
    expect(told).to_contain_text("Live")
    small.daemon.end()
    expect(told).to_contain_text("Connection lost")
    small.start()
    expect(told).to_contain_text("Live")
    expect(page.locator("#rows tbody tr")).to_have_count(3)


def test_the_token_is_asked_for_once(site, visit, tmp_path, webs):
    (tmp_path / "api.token").write_text("open-sesame-0123456789\n")
    started = site(ZONE.format(port=webs[0].port), ", token_file: api.token")
    page = visit(started.api)
    for token in ("wrong", "open-sesame-0123456789"):
        expect(page.locator("#door")).to_be_visible()
        page.fill("#token", token)
        page.press("#token", "Enter")
        if token == "wrong":
            expect(page.locator("#door .failure")).to_contain_text("does not know")
    expect(page.locator("#connection")).to_contain_text("Live")
    page.reload()
    expect(page.locator("#rows tbody tr")).to_have_count(3)
    expect(page.locator("#door")).to_be_hidden()
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.getItem('dnslb.token')") is None


def test_colours_by_choice(small, visit):
    page = visit(small.api)
    page.select_option("#theme", "dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    expect(page.locator("#theme")).to_have_value("dark")


def test_pages_are_guarded_and_cached(small):
    origin = f"http://127.0.0.1:{small.api}"
    answer = requested(origin, "/")
    policy, tag = answer.headers["Content-Security-Policy"], answer.headers["ETag"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert requested(origin, "/", {"If-None-Match": tag}).status == 304
    assert requested(origin, "/", {"If-None-Match": '"another"'}).status == 200
    for path in ("/static/..%2fpages.py", "/static/pages.py", "/static/"):
        assert requested(origin, path).status == 404


def requested(origin, path, headers=None):
    connection = http.client.HTTPConnection(origin.removeprefix("http://"))
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer
