"""What somebody is told who has just started the stack: where the pages are, and how to get in."""

from __future__ import annotations

from infra import tls
from infra.browser import browser_file, password_file
from streams.stack import VIEWER, Stack


def pages_of(stack: Stack) -> dict[str, str]:
    """Address of each page by its name; they are there while the stack runs."""
    desks = {f"desk of {name}": stack.url(f"browsers-{name}") for name in stack.settings.authorities}
    return {"operating platform": stack.url("operator"), **desks}


def welcome(stack: Stack) -> list[str]:
    """Lines for a terminal: where the pages are, and for each how to get in. Makes the viewer's file for browsers."""
    file = browser_file(tls.load(stack.tls, VIEWER))
    lines = [
        "pages, for a browser that trusts " + str(stack.tls / "ca.pem") + " (or takes the warning):",
        f"  cameras, recordings, health: {stack.url('operator')}",
        f"    by a certificate: let the browser import {file}; its password is in {password_file(file)}",
    ]
    for name in stack.settings.authorities:
        lines += [f"  cases, search, restorations, log of {name}: {stack.url(f'browsers-{name}')}"]
    if stack.first_passwords.exists():
        lines += [f"    by name and password: {stack.first_passwords} has an investigator, an approver, an auditor, an "
                  "admin"]
    else:
        lines += ["    by the issuer that sealframe.toml names"]
    return lines
