"""A table made anew beside the old one, and put in its place: afterwards the schema is what it was before."""

import re
from typing import Any

from psycopg import Connection, errors, sql

_KEPT = """
SELECT
    CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) THEN 'a trigger'
        WHEN EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) OR c.relrowsecurity THEN 'row security'
        WHEN EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = c.oid) THEN 'a publication'
        WHEN EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid) THEN 'a rule'
        WHEN EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid OR inhparent = c.oid) THEN 'inheritance'
        WHEN c.relreplident <> 'd' THEN 'a replica identity'
    END
FROM pg_class AS c WHERE c.oid = %s::regclass
"""

_CONSTRAINTS = """
SELECT contype::text || ' ' || pg_get_constraintdef(oid), conname
FROM pg_constraint WHERE conrelid = %s::regclass ORDER BY 1, 2
"""

_INDEXES = """
SELECT pg_get_indexdef(i.indexrelid), c.relname
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = %s::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
ORDER BY c.oid
"""

_GRANTS = """
SELECT attname, privilege_type, grantee::regrole::text, is_grantable
FROM (
    SELECT NULL AS attname, acl.* FROM pg_class, aclexplode(relacl) AS acl WHERE oid = %(table)s::regclass
    UNION ALL
    SELECT attname, acl.* FROM pg_attribute, aclexplode(attacl) AS acl WHERE attrelid = %(table)s::regclass
) AS grants
"""

Names = list[tuple[str, str]]
"""Definitions, with the names that the table has for them."""


class CannotSwap(Exception):
    """The table has something that a swap would lose; the message names it."""


def beside(table: str) -> str:
    """The name of the new table until it takes its place."""
    return f"{table}_beside"


def make_beside(connection: Connection[Any], table: str) -> str:
    """A new, empty table like `table`; one that was left by a rebuild that was broken off is replaced.

    Raises `CannotSwap`.
    """
    new = beside(table)
    with connection.transaction():
        kept = _one(connection, _KEPT, table)
        if kept:
            raise CannotSwap(f"{table} has {kept}, which a rebuild would lose; remove it, rebuild, and add it again")
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(new)))
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(sql.Identifier(new), sql.Identifier(table))
        )
        _copy_storage(connection, table, new)
        _copy_comment(connection, table, new)
        _copy_privileges(connection, table, new)
    return new


def drop_beside(connection: Connection[Any], table: str) -> None:
    """Remove the new table that is not to take its place."""
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(beside(table))))


def take_place(connection: Connection[Any], table: str) -> None:
    """Drop the table and give the new one its name, in the open transaction.

    What names the table by its name goes on with the new one; what depends on the old one (a view, a foreign key)
    raises `CannotSwap`.
    """
    new = beside(table)
    constraints = _names(connection, _CONSTRAINTS, table)
    indexes = _names(connection, _INDEXES, table)
    try:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(table)))
    except errors.DependentObjectsStillExist as error:
        raise CannotSwap(f"something depends on {table}: {error.diag.message_detail}") from None
    connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(new), sql.Identifier(table)))
    for old_name, new_name in _pairs(constraints, _names(connection, _CONSTRAINTS, table)):
        rename = sql.SQL("ALTER TABLE {} RENAME CONSTRAINT {} TO {}")
        connection.execute(rename.format(sql.Identifier(table), sql.Identifier(new_name), sql.Identifier(old_name)))
    for old_name, new_name in _pairs(indexes, _names(connection, _INDEXES, table)):
        connection.execute(
            sql.SQL("ALTER INDEX {} RENAME TO {}").format(sql.Identifier(new_name), sql.Identifier(old_name))
        )


def _names(connection: Connection[Any], query: str, table: str) -> Names:
    rows = connection.execute(query.encode(), (table,)).fetchall()
    return [(re.sub(r" INDEX \S+ ON (ONLY )?\S+ ", " INDEX ", definition), name) for definition, name in rows]


def _pairs(old: Names, new: Names) -> list[tuple[str, str]]:
    """Old and new names that stand for the same definition, and differ."""
    old, new = sorted(old, key=lambda pair: pair[0]), sorted(new, key=lambda pair: pair[0])
    if [definition for definition, _ in old] != [definition for definition, _ in new]:
        raise CannotSwap("the new table did not come out like the old one")
    return [(before, after) for (_, before), (_, after) in zip(old, new, strict=True) if before != after]


def _copy_storage(connection: Connection[Any], table: str, new: str) -> None:
    """The storage parameters, such as the fillfactor, which LIKE leaves out."""
    for prefix, source in (("", "oid"), ("toast.", "reltoastrelid")):
        options = _one(
            connection,
            f"SELECT reloptions FROM pg_class WHERE oid = (SELECT {source} FROM pg_class WHERE oid = %s::regclass)",
            table,
        )
        for option in options or []:
            name, _, value = option.partition("=")
            parameter = sql.SQL(".").join(sql.Identifier(part) for part in f"{prefix}{name}".split("."))
            connection.execute(
                sql.SQL("ALTER TABLE {} SET ({} = {})").format(sql.Identifier(new), parameter, sql.Literal(value))
            )


def _copy_comment(connection: Connection[Any], table: str, new: str) -> None:
    comment = _one(connection, "SELECT obj_description(%s::regclass, 'pg_class')", table)
    if comment is not None:
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(new), sql.Literal(comment)))


def _copy_privileges(connection: Connection[Any], table: str, new: str) -> None:
    owner = _one(connection, "SELECT relowner::regrole::text FROM pg_class WHERE oid = %s::regclass", table)
    if owner != _one(connection, "SELECT relowner::regrole::text FROM pg_class WHERE oid = %s::regclass", new):
        connection.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(new), sql.SQL(owner)))
    for column, privilege, grantee, grantable in connection.execute(_GRANTS.encode(), {"table": table}).fetchall():
        connection.execute(
            sql.SQL("GRANT {}{} ON {} TO {}{}").format(
                sql.SQL(privilege),
                sql.SQL(" ({})").format(sql.Identifier(column)) if column else sql.SQL(""),
                sql.Identifier(new),
                sql.SQL("PUBLIC" if grantee == "-" else grantee),
                sql.SQL(" WITH GRANT OPTION" if grantable else ""),
            )
        )


def _one(connection: Connection[Any], query: str, table: str) -> Any:
    row = connection.execute(query.encode(), (table,)).fetchone()
    return row[0] if row else None
