"""The menu: where the host application shows which extension, and to whom."""

from typing import Any

from tests.support.registry import RegistryWorld, manifest_of
from tests.support.server_extension import change

FILES = {"ui/index.html": b"<p>page</p>", "ui/icon.svg": b"<svg/>"}
APP = {"label": "Notes", "icon": "ui/icon.svg", "order": 5, "paths": ["/", "/settings"]}
PORTAL = {"label": "My notes"}


def shown(world: RegistryWorld, hooks: dict[str, Any], name: str = "com.acme.notes", **members: Any) -> dict[str, Any]:
    """Publish a page with hooks, and install it for tenant-a."""
    ui = {"type": "iframe", "entry": "ui/index.html", "hooks": hooks}
    sent = world.send(world.signed(manifest_of(name=name, ui=ui, **members), FILES), world.admin)
    assert sent.status == 202, sent
    assert world.prepare() == ["ready"]
    return world.install(name)


def menu(world: RegistryWorld, **claims: Any) -> Any:
    token = world.token(**{"sub": "user", "tenant_id": "tenant-a", "user_type": "internal", **claims})
    return world.call("GET", "/menu", token)


def hooks_of(answer: Any) -> list[tuple[str, str]]:
    return [(entry["hook"], entry["label"]) for entry in answer.body["items"]]


def test_a_user_without_a_role_gets_all_that_the_host_needs_to_show_a_page(world: RegistryWorld) -> None:
    world.register()
    install = shown(world, {"appMenu": APP}, title="Notes for all")
    answer = menu(world)

    base = install["ui_url"].removesuffix("/index.html")
    assert answer.body["items"] == [
        {
            "install_id": install["install_id"],
            "extension_id": install["extension_id"],
            "title": "Notes for all",
            "label": "Notes",
            "hook": "appMenu",
            "icon": f"{base}/icon.svg",
            "order": 5,
            "paths": ["/", "/settings"],
            "ui_url": install["ui_url"],
        }
    ]


def test_a_hook_needs_only_a_label(world: RegistryWorld) -> None:
    world.register()
    shown(world, {"appMenu": {"label": "Notes"}})
    (entry,) = menu(world).body["items"]

    assert (entry["title"], entry["icon"], entry["order"], entry["paths"]) == ("com.acme.notes", None, 0, [])


def test_a_client_user_sees_the_portal_s_hook_only(world: RegistryWorld) -> None:
    world.register()
    shown(world, {"appMenu": APP, "clientPortalMenu": PORTAL})

    assert hooks_of(menu(world)) == [("appMenu", "Notes"), ("clientPortalMenu", "My notes")]
    assert hooks_of(menu(world, user_type="client")) == [("clientPortalMenu", "My notes")]
    assert hooks_of(menu(world, client_id="c-1")) == [("clientPortalMenu", "My notes")]


def test_entries_are_ordered_by_hook_order_and_label(world: RegistryWorld) -> None:
    world.register()
    shown(world, {"appMenu": {"label": "B"}}, "com.acme.b")
    shown(world, {"appMenu": {"label": "A"}, "other": {"label": "Z"}}, "com.acme.a")
    shown(world, {"appMenu": {"label": "C", "order": -1}}, "com.acme.c")

    assert hooks_of(menu(world)) == [("appMenu", "C"), ("appMenu", "A"), ("appMenu", "B"), ("other", "Z")]


def test_what_cannot_be_opened_is_not_in_the_menu(world: RegistryWorld) -> None:
    world.register()
    disabled = shown(world, {"appMenu": {"label": "Disabled"}}, "com.acme.a")
    removed = shown(world, {"appMenu": {"label": "Removed"}}, "com.acme.b")
    withdrawn = shown(world, {"appMenu": {"label": "Withdrawn"}}, "com.acme.c")
    shown(world, {"appMenu": {"label": "Yanked"}}, "com.acme.d")
    shown(world, {}, "com.acme.e")
    change(world, disabled, "disable")
    world.call("DELETE", f"/installs/{removed['install_id']}", world.tenant_admin())
    world.call("POST", f"/versions/{withdrawn['version_id']}/withdraw", world.admin, {"reason": "r"})

    assert hooks_of(menu(world)) == [("appMenu", "Yanked")]


def test_another_tenant_s_extensions_are_not_in_the_menu(world: RegistryWorld) -> None:
    world.register()
    shown(world, {"appMenu": APP})

    assert menu(world, tenant_id="tenant-b").body == {"items": []}


def test_a_token_without_a_tenant_is_refused(world: RegistryWorld) -> None:
    answer = menu(world, tenant_id=None)

    assert (answer.status, answer.body["code"]) == (403, "forbidden")


def test_an_unchanged_menu_is_not_sent_again(world: RegistryWorld) -> None:
    world.register()
    install = shown(world, {"appMenu": APP})
    first = menu(world)
    token = world.token(sub="user", tenant_id="tenant-a")
    again = world.call("GET", "/menu", token, headers={"if-none-match": f'W/"x", {first.headers["etag"]}'})

    assert (again.status, again.body) == (304, None)
    assert again.headers["etag"] == first.headers["etag"]
    assert first.headers["cache-control"] == again.headers["cache-control"] == "private, no-cache"

    change(world, install, "disable")
    changed = world.call("GET", "/menu", token, headers={"if-none-match": first.headers["etag"]})
    assert (changed.status, changed.body) == (200, {"items": []})


def test_the_menu_is_empty_while_extensions_are_switched_off(world: RegistryWorld) -> None:
    world.register()
    shown(world, {"appMenu": APP})
    world.rewire(EXTENSIONS_ENABLED="false")

    assert menu(world).body == {"items": []}
