"""What a database URL says, part by part, and which URLs are refused."""

import pytest

from alga_ext.database_url import DatabaseAddress, parse_database_url

HERE = DatabaseAddress("r", None, "d", "localhost", 5432, None, False, None)
THERE = HERE._replace(host="db.example", tls=True)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://r@localhost/d", HERE),
        ("postgres://r@localhost/d", HERE),
        ("postgresql://r@localhost:6432/d", HERE._replace(port=6432)),
        ("postgresql://r@127.0.0.1/d", HERE._replace(host="127.0.0.1")),
        ("postgresql://r@[::1]/d", HERE._replace(host="::1")),
        ("postgresql://r@/d", HERE._replace(host="127.0.0.1")),
        ("postgresql://r@localhost", HERE._replace(name=None)),
        ("postgresql://r@localhost/", HERE._replace(name=None)),
        ("postgresql://r@localhost/xd", HERE._replace(name="xd")),
        ("postgresql://a%40b:p%3Aw%2F@localhost/d%20e", HERE._replace(role="a@b", password="p:w/", name="d e")),
        ("postgresql://r:@localhost/d", HERE),
        ("postgresql://r@localhost/d?sslmode=disable", HERE),
        ("postgresql://r@localhost/d?sslmode=verify-full", HERE._replace(tls=True)),
        ("postgresql://r@localhost/d?sslrootcert=/a.pem", HERE._replace(certificates="/a.pem")),
        ("postgresql://r@db.example/d", THERE),
        ("postgresql://r@10.0.0.7/d", THERE._replace(host="10.0.0.7")),
        ("postgresql://r@DB.example/d?sslmode=require", THERE),
        ("postgresql://r@db.example/d?sslmode=verify-ca", THERE),
        ("postgresql://r@db.example/d?sslmode=require&sslrootcert=/a%20b.pem", THERE._replace(certificates="/a b.pem")),
        ("postgresql://r@db.example/d?sslmode=disable", THERE._replace(tls=False)),
        ("postgresql://r@db.example/d?sslmode=require&sslmode=disable", THERE._replace(tls=False)),
        ("postgresql://r@db.example/d?auth=iam&region=eu-central-1", THERE._replace(iam_region="eu-central-1")),
        ("postgresql://r:@db.example/d?region=us-gov-west-1&auth=iam", THERE._replace(iam_region="us-gov-west-1")),
        ("postgresql://r@localhost/d?auth=iam&region=eu-north-1&sslmode=verify-full",
         HERE._replace(iam_region="eu-north-1", tls=True)),
        ("postgresql://r@db.example/d?region=eu-central-1", THERE),
        ("postgresql://r@/d?host=/run", HERE._replace(host=None, socket="/run/.s.PGSQL.5432")),
        ("postgresql://r@db.example/d?host=/run", HERE._replace(host=None, socket="/run/.s.PGSQL.5432")),
        ("postgresql://r@/d?host=/run&sslmode=disable", HERE._replace(host=None, socket="/run/.s.PGSQL.5432")),
        ("postgresql://r@/d?host=/run&port=6", HERE._replace(host=None, socket="/run/.s.PGSQL.6")),
        ("postgresql://r@:7/d?host=/run", HERE._replace(host=None, port=7, socket="/run/.s.PGSQL.7")),
    ],
)  # fmt: skip
def test_a_url_says(url: str, address: DatabaseAddress) -> None:
    assert parse_database_url(url) == address


NOT_ONE = "it is not the URL of a PostgreSQL database with a role$"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", NOT_ONE),
        ("mysql://r@localhost/d", NOT_ONE),
        ("postgresql://localhost/d", NOT_ONE),
        ("postgresql://:word@localhost/d", NOT_ONE),
        ("postgresql://r@localhost:0/d", NOT_ONE),
        ("postgresql://r@localhost:65536/d", "its port is not a number from 1 to 65535$"),
        ("postgresql://r@[localhost/d", "it is not a URL"),
        ("postgresql://r@/d?host=db.example", "its parameter host must be the folder of a Unix socket"),
        ("postgresql://r@/d?host=/run&sslmode=require", "its parameter sslmode must be disable for a Unix socket$"),
        ("postgresql://r@/d?host=/run&sslmode=x", "its parameter sslmode must be disable for a Unix socket$"),
        ("postgresql://r@localhost/d?sslmode=allow", "its parameter sslmode must be disable or verify-full$"),
        ("postgresql://r@db.example/d?sslmode=prefer", "its parameter sslmode must be disable or verify-full$"),
        ("postgresql://r@db.example/d?sslmode=DISABLE", "its parameter sslmode must be disable or verify-full$"),
        ("postgresql://r@db.example/d?auth=IAM&region=eu-west-1", "its parameter auth must be iam"),
        ("postgresql://r:word@db.example/d?auth=iam&region=eu-west-1", "with its parameter auth=iam it must not"),
        ("postgresql://r@db.example/d?auth=iam", "its parameter auth=iam needs the parameter region"),
        ("postgresql://r@db.example/d?auth=iam&region=", "its parameter auth=iam needs the parameter region"),
        ("postgresql://r@db.example/d?auth=iam&region=europe", "its parameter auth=iam needs the parameter region"),
        ("postgresql://r@db.example/d?auth=iam&region=eu-west-1/x", "its parameter auth=iam needs the parameter"),
        ("postgresql://r@localhost/d?auth=iam&region=eu-west-1", "its parameter auth=iam needs a server with TLS"),
        ("postgresql://r@db.example/d?auth=iam&region=eu-west-1&sslmode=disable", "auth=iam needs a server with TLS"),
        ("postgresql://r@/d?auth=iam&region=eu-west-1&host=/run", "its parameter auth=iam needs a server with TLS"),
    ],
)  # fmt: skip
def test_another_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_database_url(url)
