"""How an extension's folder is read: what is found by name, what build.toml changes, what is refused."""

from pathlib import Path

import pytest

from tools.guests.errors import GuestBuildError
from tools.guests.recipe import Engine, read_recipe


def folder_with(tmp_path: Path, *names: str, recipe: str | None = None) -> Path:
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    if recipe is not None:
        (tmp_path / "build.toml").write_text(recipe)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("index.js", "quickjs"),
        ("index.ts", "quickjs"),
        ("server/index.js", "quickjs"),
        ("app.py", "cpython"),
        ("server/app.py", "cpython"),
    ],
)
def test_the_entry_tells_the_engine(tmp_path: Path, name: str, engine: Engine) -> None:
    server = read_recipe(folder_with(tmp_path, name)).server
    assert server is not None
    assert (server.entry, server.engine) == (Path(name), engine)


def test_a_folder_without_entry_has_no_server_and_one_without_pages_no_ui(tmp_path: Path) -> None:
    recipe = read_recipe(folder_with(tmp_path, "manifest.json"))
    assert recipe.server is None
    assert recipe.ui is None


def test_the_ui_is_the_folder_of_that_name_with_its_script(tmp_path: Path) -> None:
    ui = read_recipe(folder_with(tmp_path, "ui/index.html", "ui/app.ts")).ui
    assert ui is not None
    assert (ui.folder, ui.scripts) == (Path("ui"), (Path("app.ts"),))


def test_the_recipe_file_says_otherwise(tmp_path: Path) -> None:
    text = (
        '[server]\nentry = "src/main.ts"\nengine = "starlingmonkey"\n[ui]\nfolder = "web"\nscripts = ["a.js", "b.js"]\n'
    )
    recipe = read_recipe(folder_with(tmp_path, "src/main.ts", "index.js", "web/a.js", "web/b.js", recipe=text))
    assert recipe.server is not None
    assert recipe.ui is not None
    assert (recipe.server.entry, recipe.server.engine) == (Path("src/main.ts"), "starlingmonkey")
    assert recipe.ui.scripts == (Path("a.js"), Path("b.js"))


def test_an_engine_can_be_chosen_for_one_build(tmp_path: Path) -> None:
    server = read_recipe(folder_with(tmp_path, "index.js"), "starlingmonkey").server
    assert server is not None
    assert server.engine == "starlingmonkey"


@pytest.mark.parametrize(
    ("names", "recipe", "said"),
    [
        (["index.js", "app.py"], None, "say in build.toml"),
        ([], "[server", "not valid TOML"),
        ([], "[sever]\n", "sever"),
        ([], '[server]\nentry = "../outside.js"\n', "not a file below"),
        ([], '[server]\nentry = "absent.js"\n', "not a file below"),
        (["index.js"], '[server]\nengine = "v8"\n', "server.engine"),
        (["index.js"], '[server]\nengine = "cpython"\n', "cannot run"),
        (["app.py"], '[server]\nengine = "quickjs"\n', "cannot run"),
        (["ui/index.html"], '[ui]\nscripts = ["absent.js"]\n', "not a file below"),
    ],
)
def test_wrong_recipes_are_refused_by_name(tmp_path: Path, names: list[str], recipe: str | None, said: str) -> None:
    with pytest.raises(GuestBuildError, match=said):
        read_recipe(folder_with(tmp_path, *names, recipe=recipe))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GuestBuildError, match="is not a folder"):
        read_recipe(tmp_path / "absent")
