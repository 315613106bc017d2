"""Rights of the topology against the settings that use them and the reference pages that name them."""

import re

import pytest

from alga_ext.settings import SecretStr
from tests.support.function_settings import SETTINGS
from tests.support.places import ROOT
from topology.access import ACCESS, Access
from topology.functions import FUNCTIONS
from topology.queues import EVENT_SOURCES, QUEUES
from topology.schedules import SCHEDULES

FUNCTION = {function.name: function for function in FUNCTIONS}
REFERENCE = ROOT / "docs" / "reference"
NAMES = re.compile(rf"\b({'|'.join(FUNCTION)})\b")
PREFIXES = sorted({prefix for access in ACCESS for prefix in (*access.reads, *access.writes, *access.deletes)})

each_access = pytest.mark.parametrize("access", ACCESS, ids=lambda access: access.function)
each_prefix = pytest.mark.parametrize("prefix", PREFIXES)


def test_every_function_has_its_rights_listed_once() -> None:
    assert sorted(access.function for access in ACCESS) == sorted(FUNCTION)


# Rights and settings: a function is told exactly where the things are that it may touch.


@each_access
def test_only_a_function_that_touches_objects_is_told_of_the_store(access: Access) -> None:
    touches = bool(access.reads or access.writes or access.deletes)

    assert ("BUNDLE_STORE_BASE" in FUNCTION[access.function].required) == touches


@each_access
def test_only_a_function_that_reads_the_trust_bundle_is_told_of_it_and_of_the_root_keys(access: Access) -> None:
    function = FUNCTION[access.function]

    assert ("SIGNING_TRUST_BUNDLE" in function.required) == access.reads_trust
    assert ("TRUST_ROOT_KEYS" in function.optional) == access.reads_trust


@each_access
def test_a_function_is_given_the_urls_of_the_queues_it_may_send_to_and_no_other(access: Access) -> None:
    given = {name for name in FUNCTION[access.function].names if name.endswith("_QUEUE_URL")}

    assert given == {queue.url_name for queue in QUEUES if queue.name in access.sends_to}


@each_access
def test_only_a_function_that_seals_or_opens_secrets_is_told_of_their_key(access: Access) -> None:
    touches = access.makes_data_keys or access.opens_data_keys

    assert ("SECRETS_KEY_ID" in FUNCTION[access.function].required) == touches


@each_access
def test_only_a_function_that_invokes_another_is_told_of_it(access: Access) -> None:
    assert set(access.invokes) <= set(FUNCTION)
    assert ("RUNNER_BASE_URL" in FUNCTION[access.function].required) == ("runner" in access.invokes)


@each_access
def test_only_a_function_that_invalidates_pages_is_told_of_the_distribution(access: Access) -> None:
    assert ("UI_DISTRIBUTION_ID" in FUNCTION[access.function].names) == access.invalidates_ui


@each_access
def test_signing_keys_and_secrets_are_the_secret_settings(access: Access) -> None:
    fields = SETTINGS[access.function].fields()
    secret = {name.upper() for name, field in fields.items() if field.kind is SecretStr}

    assert secret == {*access.signs_with, *access.secrets}
    assert set(access.signs_with) & set(access.secrets) == set()


# Who must not have a right (docs/explanation/threat-model.md)


def test_what_compiles_hostile_components_has_no_database_and_no_secrets() -> None:
    (prepare,) = (access for access in ACCESS if access.function == "prepare")

    assert FUNCTION["prepare"].login_role is None
    assert (prepare.secrets, prepare.makes_data_keys, prepare.opens_data_keys) == ((), False, False)


def test_what_runs_hostile_code_writes_nothing_sends_nothing_and_signs_nothing_of_the_platform() -> None:
    (runner,) = (access for access in ACCESS if access.function == "runner")

    assert (runner.writes, runner.deletes, runner.sends_to, runner.signs_with, runner.invokes) == ((), (), (), (), ())


def test_nobody_both_seals_and_opens_secrets() -> None:
    assert [access.function for access in ACCESS if access.makes_data_keys and access.opens_data_keys] == []


def test_machine_code_and_release_records_have_one_writer_each() -> None:
    writers = {prefix: [a.function for a in ACCESS if prefix in a.writes] for prefix in ("cwasm/", "releases/")}

    assert writers == {"cwasm/": ["prepare"], "releases/": ["assets"]}


@each_access
def test_a_writer_may_read_what_it_writes(access: Access) -> None:
    assert set(access.writes) <= set(access.reads)


# Reference pages


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table that begins with this heading."""
    text = (REFERENCE / page).read_text().partition(f"{heading}\n")[2]
    table = text.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").replace(r"\|", "/").split("|")] for line in table]


OBJECTS = rows("object-store.md", "| key | content | written by | read by |")


@each_prefix
def test_the_page_of_the_object_store_names_who_writes_and_reads(prefix: str) -> None:
    below = [row for row in OBJECTS if row[0].strip("`").startswith(prefix)]
    writers = {name for row in below for name in NAMES.findall(row[2])}
    readers = {name for row in below for name in NAMES.findall(row[3])}

    assert below
    assert writers == {access.function for access in ACCESS if prefix in access.writes}
    assert readers | writers == {access.function for access in ACCESS if prefix in access.reads}


def test_every_key_on_the_page_of_the_object_store_is_below_one_prefix() -> None:
    keys = [row[0].strip("`") for row in OBJECTS]

    assert [key for key in keys if sum(key.startswith(prefix) for prefix in PREFIXES) != 1] == []


def test_expired_uploads_are_the_only_deletion() -> None:
    assert {access.function: access.deletes for access in ACCESS if access.deletes} == {"sweeper": ("staging/",)}


QUEUE_ROWS = rows("events-and-messages.md", "| queue | message | from | to | tried again after |")


def test_the_page_of_queues_names_senders_and_consumers() -> None:
    told = {row[0].strip("`"): (set(NAMES.findall(row[2])), set(NAMES.findall(row[3]))) for row in QUEUE_ROWS}

    assert told == {
        queue.name: (
            {access.function for access in ACCESS if queue.name in access.sends_to},
            {source.function for source in EVENT_SOURCES if source.queue == queue.name},
        )
        for queue in QUEUES
    }


def test_the_page_of_queues_says_when_a_message_is_tried_again() -> None:
    told = {row[0].strip("`"): row[4] for row in QUEUE_ROWS}

    assert told == {queue.name: f"{queue.visibility_timeout_s // 60} min" for queue in QUEUES}


def test_the_page_of_queues_names_the_schedules() -> None:
    paces = {60: "every minute"}
    told = {(row[0].strip("`"), row[1]) for row in rows("events-and-messages.md", "| function | how often | what |")}

    assert told == {(schedule.function, paces[int(schedule.every_s)]) for schedule in SCHEDULES}
