"""The shadow of some tables: the same tables in a schema of their own, filled there and then swapped in.

Names of tables, constraints and indexes are per schema, so a shadow table has its final names from the beginning. It
has the columns, constraints, indexes, storage parameters, owner, comment and privileges of its original. What cannot
be copied (see `_NOT_COPIED`), or depends on the original, raises `CannotSwap`: nothing is lost without notice.
"""

from typing import Any, NamedTuple

from psycopg import Connection, errors, sql

_NOT_COPIED = """
SELECT
    CASE WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) THEN 'a trigger'
        WHEN EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f') THEN 'a foreign key'
        WHEN EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) OR c.relrowsecurity THEN 'row security'
        WHEN EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = c.oid) THEN 'a publication'
        WHEN EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid) THEN 'a rule'
        WHEN EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid OR inhparent = c.oid) THEN 'inheritance'
        WHEN EXISTS (SELECT FROM pg_statistic_ext WHERE stxrelid = c.oid) THEN 'extended statistics'
        WHEN c.relreplident <> 'd' THEN 'a replica identity'
    END
FROM pg_class AS c WHERE c.oid = {original}::regclass
"""

# Storage parameters, owner, comment and privileges, which LIKE leaves out, as statements. Privileges are revoked
# first: default privileges may have added some.
_PROPERTIES = """
WITH original AS (SELECT *, relowner::regrole AS owner FROM pg_class WHERE oid = {original}::regclass),
parameter AS (
    SELECT '' AS prefix, p.* FROM original, pg_options_to_table(reloptions) AS p
    UNION ALL
    SELECT 'toast.', p.* FROM original JOIN pg_class AS toast ON toast.oid = original.reltoastrelid,
        pg_options_to_table(toast.reloptions) AS p
),
privilege AS (
    SELECT c.oid, '' AS columns, acl.*
    FROM pg_class AS c, aclexplode(coalesce(relacl, acldefault('r', relowner))) AS acl
    UNION ALL
    SELECT attrelid, format(' (%I)', attname), acl.* FROM pg_attribute, aclexplode(attacl) AS acl
),
role AS (SELECT 0::oid AS oid, 'PUBLIC' AS name UNION ALL SELECT oid, quote_ident(rolname) FROM pg_roles)
SELECT statement FROM (
    SELECT 1 AS step, format('ALTER TABLE %s SET (%s%I = %L)', {shadow}, prefix, option_name, option_value) AS statement
    FROM parameter
    UNION ALL
    SELECT 2, format('COMMENT ON TABLE %s IS %L', {shadow}, obj_description(oid, 'pg_class')) FROM original
    UNION ALL
    SELECT 3, format('GRANT USAGE, CREATE ON SCHEMA %s TO %s', {schema}, owner) FROM original
    UNION ALL
    SELECT 4, format('ALTER TABLE %s OWNER TO %s', {shadow}, owner) FROM original
    UNION ALL
    SELECT 5, format('REVOKE ALL ON %s FROM %s', {shadow}, name) FROM role
    WHERE oid IN (
        SELECT grantee FROM privilege WHERE oid = {shadow}::regclass UNION SELECT relowner FROM original
    )
    UNION ALL
    SELECT 6, format('GRANT %s%s ON %s TO %s%s', privilege_type, columns, {shadow}, role.name,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)
    FROM privilege JOIN role ON role.oid = grantee WHERE privilege.oid = {original}::regclass
) AS statements ORDER BY step
"""

# LIKE gives each index the name that a new one would get. Pairs of names, null where one table has no such index.
_INDEXES = """
WITH index AS (
    SELECT *, row_number() OVER (PARTITION BY indrelid, definition ORDER BY indexrelid) AS number
    FROM (
        SELECT indrelid, indexrelid, i.relname AS name, indisprimary || replace(
            pg_get_indexdef(indexrelid), format('%I ON %s.%I ', i.relname, t.relnamespace::regnamespace, t.relname), ''
        ) AS definition
        FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid JOIN pg_class AS t ON t.oid = indrelid
    ) AS defined
)
SELECT original.name, shadow.name
FROM (SELECT * FROM index WHERE indrelid = {original}::regclass) AS original
FULL JOIN (SELECT * FROM index WHERE indrelid = {shadow}::regclass) AS shadow USING (definition, number)
WHERE original.name IS DISTINCT FROM shadow.name
"""


class CannotSwap(Exception):
    """Tables that cannot be swapped; the message names the table and why."""


class Tables(NamedTuple):
    """Tables of one schema that are swapped together, and the name of the schema of their shadow."""

    schema: str
    names: tuple[str, ...]
    shadow: str

    def original(self, name: str) -> sql.Identifier:
        return sql.Identifier(self.schema, name)

    def copy(self, name: str) -> sql.Identifier:
        return sql.Identifier(self.shadow, name)


def make_shadow(connection: Connection[Any], tables: Tables) -> None:
    """Make the shadow of the tables, empty, in place of one that is left of a rebuild. Raises `CannotSwap`."""
    with connection.transaction():
        drop_shadow(connection, tables)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(tables.shadow)))
        for name in tables.names:
            like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)")
            connection.execute(like.format(tables.copy(name), tables.original(name)))
            _rename_indexes(connection, tables, name)
            _copy_properties(connection, tables, name)


def drop_shadow(connection: Connection[Any], tables: Tables) -> None:
    """Drop the shadow, if there is one."""
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(tables.shadow)))


def lock_originals(connection: Connection[Any], tables: Tables) -> None:
    """Lock the original tables against readers and writers until the open transaction ends."""
    names = sql.SQL(", ").join(map(tables.original, tables.names))
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))


def swap_in(connection: Connection[Any], tables: Tables) -> None:
    """Replace the original tables by their shadow, in the open transaction. Raises `CannotSwap`.

    Properties are copied again, since a privilege may have been granted since the shadow was made.
    """
    for name in tables.names:
        _copy_properties(connection, tables, name)
        if connection.execute(_on(_INDEXES, tables, name)).fetchone():
            raise CannotSwap(f"an index of {name} was changed meanwhile; rebuild again")
        try:
            connection.execute(sql.SQL("DROP TABLE {}").format(tables.original(name)))
        except errors.DependentObjectsStillExist as error:
            raise CannotSwap(f"something depends on {name}: {error.diag.message_detail}") from None
        move = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
        connection.execute(move.format(tables.copy(name), sql.Identifier(tables.schema)))
    connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(tables.shadow)))


def _copy_properties(connection: Connection[Any], tables: Tables, name: str) -> None:
    (lost,) = connection.execute(_on(_NOT_COPIED, tables, name)).fetchone() or (None,)
    if lost:
        raise CannotSwap(f"{name} has {lost}, which a rebuild would lose; remove it, rebuild, and add it again")
    for (statement,) in connection.execute(_on(_PROPERTIES, tables, name)).fetchall():
        connection.execute(statement.encode())


def _rename_indexes(connection: Connection[Any], tables: Tables, name: str) -> None:
    """Give each index of the shadow the name of its original, and with it the constraint that it belongs to."""
    pairs = connection.execute(_on(_INDEXES, tables, name)).fetchall()
    if any(None in pair for pair in pairs):
        raise CannotSwap(f"the indexes of {name} cannot be copied")
    # Through names that nothing has: an index may have the name that LIKE gives to another one.
    steps = [(new, f"{number}_index") for number, (_, new) in enumerate(pairs)]
    steps += [(f"{number}_index", old) for number, (old, _) in enumerate(pairs)]
    for before, after in steps:
        rename = sql.SQL("ALTER INDEX {} RENAME TO {}")
        connection.execute(rename.format(tables.copy(before), sql.Identifier(after)))


def _on(query: str, tables: Tables, name: str) -> sql.Composed:
    """The query on a table and its shadow."""
    return sql.SQL(query).format(
        original=sql.Literal(tables.original(name).as_string()),
        shadow=sql.Literal(tables.copy(name).as_string()),
        schema=sql.Literal(sql.Identifier(tables.shadow).as_string()),
    )
