#!/usr/bin/python3
"""The rows of attacks.md about PostgreSQL, performed with raw protocol messages against the real server."""

import socket
import struct
import threading
import time
import unittest

import wire
from lab import ALLOW_ALL, Lab
from wire import bind, close, execute, flush, frame, parse, query, sync

# Reads and writes of anything but the secrets; nothing that is not certain.
CAREFUL = """
[[rule]]
name      = "no-drop"
endpoint  = "pg-prod"
priority  = 10
condition = "sql.verbs.exists(v, v in ['drop', 'truncate', 'delete'])"
verdict   = "deny"
reason    = "Nothing is dropped here"

[[rule]]
name      = "not-the-secrets"
endpoint  = "pg-prod"
condition = "!('tokens' in sql.tables) && action.kind in ['read', 'write', 'session']"
verdict   = "allow"
"""

# Everything that a rule can allow.
ANYTHING = ALLOW_ALL


class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(rules=CAREFUL).__enter__()
        cls.address = cls.lab.virtual_address()
        cls.lab.admin("""
            CREATE FUNCTION steal() RETURNS text LANGUAGE sql AS 'SELECT token FROM sec.tokens';
            CREATE FUNCTION pun(int, text) RETURNS text LANGUAGE sql AS 'SELECT token FROM sec.tokens';
            CREATE OPERATOR === (LEFTARG = int, RIGHTARG = text, FUNCTION = pun);
            CREATE TABLE ledger (n int);
        """)

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def setUp(self):
        self.rules = None
        self.using(CAREFUL)
        self.lab.admin("TRUNCATE ledger")

    def tearDown(self):
        self.assertEqual(self.lab.admin("SELECT count(*) FROM users"), "100", "the table was harmed")

    def using(self, rules):
        if rules != self.lab.rules:
            self.lab.reload(rules)

    def session(self, **parameters):
        connection = wire.Connection(self.lab.connect(self.address))
        self.addCleanup(connection.socket.close)
        return connection.login(**parameters)

    def refused_login(self, **parameters):
        with self.assertRaises(wire.Refused) as caught:
            self.session(**parameters)
        self.assertEqual(caught.exception.error["S"], "FATAL")
        return caught.exception.error

    def rows_in_ledger(self):
        return int(self.lab.admin("SELECT count(*) FROM ledger"))

    def server_log(self):
        return (self.lab.directory / "postgres.log").read_text(errors="replace")

    # ---- 1: the startup packet -----------------------------------------------------------------------------------

    def test_1_unsafe_encodings(self):
        """attack 1: an encoding that hides a backslash is refused at login, whatever the rules say"""
        self.using(ANYTHING)
        for encoding in ("SJIS", "BIG5", "GBK", "GB18030", "JOHAB", "UHC", "sjis", "Shift_JIS", "nonsense"):
            self.assertEqual(self.refused_login(client_encoding=encoding)["C"], "28000", encoding)
        for encoding in ("UTF8", "SQL_ASCII", "LATIN1", "utf-8", "WIN1252"):
            self.session(client_encoding=encoding)

    def test_1_options(self):
        """attack 1: standard_conforming_strings=off by options never reaches the server"""
        self.using(ANYTHING)
        for options in ("-c standard_conforming_strings=off", "-cstandard_conforming_strings=off",
                        "--standard_conforming_strings=off", "--standard-conforming-strings=off",
                        "-c  Standard_Conforming_Strings=off", "-c standard_conforming_strings\\=off",
                        "-c client_encoding=SJIS", "-c 'x", "-c a=b -c standard_conforming_strings=0"):
            self.assertIn(self.refused_login(options=options)["C"], ("28000", "08P01"), options)
        self.refused_login(standard_conforming_strings="off")
        self.assertEqual(wire.rows(self.session().simple("SHOW standard_conforming_strings")), [["on"]])

    def test_1_what_the_role_has_set(self):
        """attack 1: standard_conforming_strings is on, whatever the role or the database sets"""
        self.lab.admin("ALTER ROLE agent_ro SET standard_conforming_strings = off")
        self.addCleanup(self.lab.admin, "ALTER ROLE agent_ro RESET standard_conforming_strings")
        self.assertEqual(wire.rows(self.session().simple("SHOW standard_conforming_strings")), [["on"]])

    def test_1_settings_are_judged(self):
        """attack 1: a search_path at login is judged as a SET, in options too"""
        rules = CAREFUL.replace("action.kind in ['read', 'write', 'session']",
                                "sql.verb in ['select', 'show'] && action.kind == 'read'")
        self.using(rules)
        self.refused_login(options="-c search_path=sec")
        self.refused_login(search_path="sec,public")
        self.session(application_name="psql", DateStyle="ISO", TimeZone="UTC", extra_float_digits="2")

    # ---- 2: how text is read -------------------------------------------------------------------------------------

    def test_2_settings_by_every_way(self):
        """attack 2: the lexer's mode cannot be changed by SET, set_config or pg_settings, by any rule's leave"""
        self.using(ANYTHING)
        tries = ["SET standard_conforming_strings = off", "SET SESSION standard_conforming_strings TO 'off'",
                 "SET LOCAL standard_conforming_strings = 0", 'SET "standard_conforming_strings" = off',
                 "SELECT set_config('standard_conforming_strings', 'off', false)",
                 "SELECT set_config('standard_conforming_' || 'strings', 'off', false)",
                 "SELECT pg_catalog.set_config(name, 'off', false) FROM pg_settings WHERE name LIKE 'standard_c%'",
                 "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
                 "UPDATE pg_catalog.pg_settings SET setting = 'off'",
                 "SET client_encoding = 'SJIS'", "SET NAMES 'BIG5'",
                 "WITH x AS (SELECT set_config('client_encoding', 'SJIS', false)) SELECT * FROM x",
                 "ALTER ROLE agent_ro SET standard_conforming_strings = off",
                 "ALTER SYSTEM SET standard_conforming_strings = off"]
        for sql in tries:
            connection = self.session()
            frames = connection.send(query(sql), query("SELECT 'a\\'' ; DROP TABLE users; --'")).until("Z")
            self.assertEqual(wire.error_codes(frames), ["42501"], sql)
            # Read as it was judged: one string.
            self.assertEqual(wire.rows(connection.until("Z")), [["a\\' ; DROP TABLE users; --"]], sql)
            self.assertEqual(wire.rows(connection.simple("SHOW standard_conforming_strings")), [["on"]])

    def test_2_set_config_through_bind(self):
        """attack 2: set_config with its name in a Bind parameter is refused"""
        self.using(ANYTHING)
        connection = self.session()
        frames = connection.send(parse("SELECT set_config($1, $2, false)"),
                                 bind(values=("standard_conforming_strings", "off")), execute(), sync()).until("Z")
        self.assertEqual(wire.error_codes(frames), ["42501"])
        self.assertEqual(wire.rows(connection.simple("SHOW standard_conforming_strings")), [["on"]])

    def test_2_unread_code_in_a_pipeline(self):
        """attack 2: after code that was not read, text that could be read in two ways is refused"""
        self.using(ANYTHING)
        connection = self.session()
        change = "DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$"
        try:
            connection.send(query(change), query("SELECT 'a\\'' ; DELETE FROM users; --'"))
            connection.until("Z")
            connection.until("Z")
        except wire.Closed:
            pass  # the server reported the change, and the gateway closed
        connection = self.session()
        self.assertEqual(wire.rows(connection.simple("SHOW standard_conforming_strings")), [["on"]])
        self.assertNotIn("DELETE FROM users; --", self.server_log().replace("SELECT 'a\\'' ; DELETE FROM users; --'", ""))

    # ---- 3: names ------------------------------------------------------------------------------------------------

    def test_3_failed_and_denied_parse(self):
        """attack 3: a name whose Parse failed or was denied runs nothing"""
        connection = self.session()
        connection.send(parse("SELECT 1", name="x"), sync()).until("Z")
        connection.send(close("x"), parse("DROP TABLE users", name="x"), sync())
        self.assertEqual(wire.error_codes(connection.until("Z")), ["42501"])
        frames = connection.send(bind("x"), execute(), sync()).until("Z")
        self.assertEqual(len(wire.errors(frames)), 1)
        connection.send(parse("SELECT nonsense FROM nowhere", name="y"), sync()).until("Z")
        frames = connection.send(bind("y"), execute(), sync()).until("Z")
        self.assertEqual(wire.error_codes(frames), ["26000"])

    def test_3_skipped_parse(self):
        """attack 3: a Parse that the server skipped does not give its text to the name"""
        connection = self.session()
        connection.send(parse("SELECT 'first'"), sync()).until("Z")
        frames = connection.send(parse("SELECT 1/0", name="boom"), bind("boom"), execute(), parse("SELECT 'second'"),
                                 sync(), bind(), execute(), sync()).until("Z")
        self.assertEqual(wire.error_codes(frames), ["22012"])
        frames = connection.until("Z")
        self.assertIn(wire.rows(frames), ([["first"]], []))

    def test_3_duplicate_names(self):
        """attack 3: a second Parse of a name is the server's own error, and the first text stays"""
        connection = self.session()
        connection.send(parse("SELECT 'one'", name="s"), sync()).until("Z")
        frames = connection.send(parse("SELECT 'two'", name="s"), sync()).until("Z")
        self.assertEqual(wire.error_codes(frames), ["42P05"])
        self.assertEqual(wire.rows(connection.send(bind("s"), execute(), sync()).until("Z")), [["one"]])

    def test_3_sql_prepare(self):
        """attack 3: SQL PREPARE in the same namespace, DEALLOCATE, DISCARD: EXECUTE is judged as what it prepared"""
        connection = self.session()
        self.assertEqual(wire.error_codes(connection.simple("PREPARE p AS DELETE FROM users")), ["42501"])
        connection.simple("PREPARE p AS SELECT 'allowed'")
        self.assertEqual(wire.rows(connection.simple("EXECUTE p")), [["allowed"]])
        self.assertEqual(wire.rows(connection.send(bind("p"), execute(), sync()).until("Z")), [["allowed"]])
        connection.simple("DISCARD ALL")
        self.assertEqual(len(wire.errors(connection.simple("EXECUTE p"))), 1)
        frames = connection.simple("PREPARE q AS SELECT 1; DEALLOCATE q; EXECUTE q")
        self.assertEqual(wire.error_codes(frames), ["42501"], "a name that the same message dropped is not certain")
        self.assertEqual(wire.error_codes(connection.simple("EXPLAIN ANALYZE EXECUTE unknown_name")), ["42501"])
        self.assertEqual(wire.error_codes(connection.simple("CREATE TABLE t AS EXECUTE unknown_name")), ["42501"])

    def test_3_names_made_by_code_that_was_not_read(self):
        """attack 3: a name that a DO block made is not known, and is refused under a rule that must know"""
        self.using(ANYTHING)
        connection = self.session()
        connection.simple("DO $$ BEGIN EXECUTE 'PREPARE hidden AS DELETE FROM users'; END $$")
        self.using(CAREFUL)
        self.assertEqual(wire.error_codes(connection.simple("EXECUTE hidden")), ["42501"])
        self.assertEqual(len(wire.errors(connection.send(bind("hidden"), execute(), sync()).until("Z"))), 1)

    def test_3_cursors(self):
        """attack 3: FETCH and a resumed portal are judged as the statement that they read from"""
        connection = self.session()
        connection.simple("BEGIN")
        self.assertEqual(wire.error_codes(connection.simple("DECLARE c CURSOR FOR SELECT * FROM sec.tokens")), ["42501"])
        connection.simple("ROLLBACK")
        connection.simple("BEGIN")
        connection.simple("DECLARE c CURSOR FOR SELECT id FROM users ORDER BY id")
        self.assertEqual(wire.rows(connection.simple("FETCH 2 FROM c")), [["1"], ["2"]])
        self.assertEqual(wire.error_codes(connection.simple("FETCH 1 FROM other")), ["42501"])
        connection.simple("ROLLBACK")
        frames = connection.send(parse("SELECT id FROM users ORDER BY id"), bind(portal="p"), execute("p", 2),
                                 execute("p", 2), sync()).until("Z")
        self.assertEqual(wire.rows(frames), [["1"], ["2"], ["3"], ["4"]])

    def directly(self):
        """The same server without the gateway, as the same role."""
        own = socket.socket(socket.AF_UNIX)
        own.settimeout(20)
        own.connect(str(self.lab.directory / "pg" / ".s.PGSQL.5432"))
        self.addCleanup(own.close)
        return wire.Connection(own).login(user="agent_ro")

    def assert_same(self, *batches):
        """Every batch is answered as the server answers it directly: kinds, tags, errors, rows and the state."""
        def answers(connection):
            said = []
            for batch in batches:
                frames = connection.send(*batch).until("Z")
                errors = [(e["C"], e["M"]) for e in wire.errors(frames)]
                said.append((wire.kinds(frames), wire.tags(frames), errors, wire.rows(frames), wire.status(frames)))
            return said
        direct = answers(self.directly())
        self.assertEqual(answers(self.session()), direct)
        return direct

    def test_3_a_name_is_taken_when_it_is_made(self):
        """attack 3: PREPARE and DECLARE of a name that is taken fail when they are executed, as they do directly"""
        self.using(ANYTHING)

        def run(name):
            return [bind(name), execute(), sync()]
        refused = self.assert_same(
            [parse("SELECT 1", name="x"), sync()],
            [parse("PREPARE x AS SELECT 2", name="p"), sync()],  # not yet
            run("p"), run("x"),
            [close("x"), sync()], run("p"), run("x"),
            # And the other way round: the name is taken only after the Parse.
            [parse("PREPARE y AS SELECT 3", name="q"), parse("SELECT 4", name="y"), sync()], run("q"), run("y"))
        self.assertEqual([[code for code, _ in answer[2]] for answer in refused],
                         [[], [], ["42P05"], [], [], [], [], [], ["42P05"], []])
        refused = self.assert_same(
            [query("BEGIN")],
            [parse("SELECT 1", name="s"), bind("s", "c"), parse("DECLARE c CURSOR FOR SELECT 2", name="d"), sync()],
            [close("c", "P"), sync()], run("d"), [query("FETCH c")], run("d"), [query("ROLLBACK")],
            [query("BEGIN")], [bind("s", "c"), sync()], run("d"), [query("ROLLBACK")])
        self.assertEqual([code for answer in refused for code, _ in answer[2]], ["42P03", "42P03"])

    def test_3_what_a_savepoint_takes_with_it(self):
        """attack 3: portals and cursors made since a savepoint are gone with its rollback, and no others"""
        self.using(ANYTHING)
        portal = [bind("s", "c"), sync()]
        begin = [[parse("SELECT 7", name="s"), sync()], [query("BEGIN")]]
        for declared, made in (("portal", portal), ("cursor", [query("DECLARE c CURSOR FOR SELECT 8")]),
                               ("held", [query("DECLARE c CURSOR WITH HOLD FOR SELECT 9")])):
            for again in (portal, [query("DECLARE c CURSOR FOR SELECT 10")]):
                for name, steps, taken in (
                        ("rolled back", [[query("SAVEPOINT a")], made, [query("ROLLBACK TO a")], again], False),
                        ("made before", [made, [query("SAVEPOINT a")], [query("ROLLBACK TO a")], again], True),
                        ("of an inner one", [[query("SAVEPOINT a")], [query("SAVEPOINT b")], made,
                                             [query("ROLLBACK TO a")], again], False),
                        ("between two", [[query("SAVEPOINT a")], made, [query("SAVEPOINT b")],
                                         [query("ROLLBACK TO b")], again], True),
                        ("released", [[query("SAVEPOINT a")], made, [query("RELEASE a")], again], True),
                        ("released into another", [[query("SAVEPOINT a")], [query("SAVEPOINT b")], made,
                                                   [query("RELEASE b")], [query("ROLLBACK TO a")], again], False),
                        ("of the same name", [[query("SAVEPOINT a")], made, [query("SAVEPOINT a")],
                                              [query("ROLLBACK TO a")], again], True),
                        ("after an error", [[query("SAVEPOINT a")], made, [query("SELECT 1/0")],
                                            [query("ROLLBACK TO a")], again], False),
                        ("by Execute", [[query("SAVEPOINT a")], made,
                                        [parse("ROLLBACK TO a"), bind(), execute(), sync()], again], False)):
                    with self.subTest(made=declared, how=name, again=again[0][:1]):
                        said = self.assert_same(*begin, *steps, [query("ROLLBACK")])
                        codes = [code for code, _ in said[len(begin) + len(steps) - 1][2]]
                        self.assertEqual(codes, ["42P03"] if taken else [])

        # In one batch, where the answers are still on their way.
        said = self.assert_same(*begin, [parse("SAVEPOINT a"), bind(), execute(), bind("s", "c"), parse("ROLLBACK TO a"),
                                         bind(), execute(), bind("s", "c"), execute("c"), sync()], [query("ROLLBACK")])
        self.assertEqual((said[2][2], said[2][3]), ([], [["7"]]))

    # ---- 4: a denial is true upstream ----------------------------------------------------------------------------

    def test_4_batch(self):
        """attack 4: allowed INSERT, denied Parse, Sync in one batch leaves no row"""
        connection = self.session()
        frames = connection.send(parse("INSERT INTO ledger VALUES (1)"), bind(), execute(),
                                 parse("DROP TABLE users"), bind(), execute(),
                                 parse("INSERT INTO ledger VALUES (2)"), bind(), execute(), sync()).until("Z")
        self.assertEqual(wire.kinds(frames), "12CEZ")
        self.assertEqual(wire.error_codes(frames), ["42501"])
        self.assertEqual(wire.status(frames), "I")
        self.assertEqual(self.rows_in_ledger(), 0)

    def test_4_transaction(self):
        """attack 4: BEGIN, INSERT, denial, COMMIT answers ROLLBACK and leaves no row"""
        for pipelined in (False, True):
            connection = self.session()
            script = ["BEGIN", "INSERT INTO ledger VALUES (1)", "DROP TABLE users", "COMMIT"]
            if pipelined:
                connection.send(*[query(sql) for sql in script])
                answers = [connection.until("Z") for _ in script]
            else:
                answers = [connection.simple(sql) for sql in script]
            self.assertEqual([wire.status(a) for a in answers], ["T", "T", "E", "I"])
            self.assertEqual(wire.tags(answers[3]), ["ROLLBACK"])
            self.assertEqual(self.rows_in_ledger(), 0)

    def test_4_savepoint(self):
        """attack 4: after a denial a savepoint brings the transaction back, as after any error"""
        connection = self.session()
        states = [wire.status(connection.simple(sql)) for sql in (
            "BEGIN", "INSERT INTO ledger VALUES (1)", "SAVEPOINT s", "DROP TABLE users", "ROLLBACK TO s", "COMMIT")]
        self.assertEqual(states, ["T", "T", "T", "E", "T", "I"])
        self.assertEqual(self.rows_in_ledger(), 1)

    def test_4_multi_statement(self):
        """attack 4: one denied statement denies its message, and nothing of it runs"""
        connection = self.session()
        frames = connection.simple("INSERT INTO ledger VALUES (1); DROP TABLE users; INSERT INTO ledger VALUES (2)")
        self.assertEqual(wire.kinds(frames), "EZ")
        self.assertEqual(self.rows_in_ledger(), 0)

    def test_4_order(self):
        """attack 4: a denial stands in its place among results that are still in flight"""
        connection = self.session()
        connection.send(query("SELECT 'a'"), query("DROP TABLE users"),
                        query("SELECT 'b'"), query("DROP TABLE users"), query("SELECT 'c'"))
        answers = [connection.until("Z") for _ in range(5)]
        self.assertEqual([wire.kinds(a) for a in answers], ["TDCZ", "EZ", "TDCZ", "EZ", "TDCZ"])

    def test_4_errors_name_the_rule(self):
        """attack 4: the error is PostgreSQL's own kind, with reason, rule, action and what to do"""
        error = wire.errors(self.session().simple("DROP TABLE users"))[0]
        self.assertEqual((error["S"], error["V"], error["C"]), ("ERROR", "ERROR", "42501"))
        self.assertEqual(error["M"], "Nothing is dropped here")
        self.assertRegex(error["D"], r'rule "no-drop".*a-[0-9a-z]+')
        self.assertIn("cpctl explain a-", error["H"])

    # ---- 5: COPY -------------------------------------------------------------------------------------------------

    def test_5_failing_copy_with_a_query_behind_it(self):
        """attack 5: a COPY that fails puts the server back to queries; what follows is judged, not passed"""
        connection = self.session()
        connection.send(query("COPY ledger FROM STDIN"), frame("d", b"not a number\n"),
                        frame("d", query("DROP TABLE users")), frame("c"), query("DROP TABLE users"))
        answers = connection.until("Z") + connection.until("Z")
        self.assertEqual(wire.error_codes(answers), ["22P02", "42501"])
        self.assertEqual(self.rows_in_ledger(), 0)

    def test_5_query_inside_copy(self):
        """attack 5: a query where only copy data may stand closes the connection"""
        connection = self.session()
        connection.send(query("COPY ledger FROM STDIN")).until("G")
        connection.send(frame("d", b"1\n"), query("DROP TABLE users"))
        self.assertTrue(connection.closed())
        self.assertEqual(self.rows_in_ledger(), 0)

    def test_5_sync_inside_copy(self):
        """attack 5: Sync is ignored in COPY IN and not counted, as libpq's users rely on"""
        connection = self.session()
        connection.send(parse("COPY ledger FROM STDIN"), bind(), execute(), sync(), frame("d", b"7\n"), flush(), sync(),
                        frame("d", b"8\n"), frame("c"), sync())
        frames = connection.until("Z")
        self.assertEqual(wire.kinds(frames), "12GCZ")
        self.assertEqual(wire.tags(frames), ["COPY 2"])
        self.assertEqual(wire.rows(connection.simple("SELECT sum(n) FROM ledger")), [["15"]])

    def test_5_copy_that_never_starts(self):
        """attack 5: copy data without a COPY is dropped, and the query after it is judged"""
        connection = self.session()
        frames = connection.send(frame("d", query("DROP TABLE users")), frame("c"), query("SELECT 1")).until("Z")
        self.assertEqual(wire.kinds(frames), "TDCZ")
        frames = connection.send(query("COPY no_such_table FROM STDIN"), frame("d", b"1\n"), frame("c"),
                                 query("DROP TABLE users")).until("Z")
        self.assertEqual(wire.error_codes(frames), ["42P01"])
        self.assertEqual(wire.error_codes(connection.until("Z")), ["42501"])

    # ---- 6: code that was not read -------------------------------------------------------------------------------

    def test_6_absence_is_not_known(self):
        """attack 6: !('tokens' in sql.tables) does not pass on DO, functions, operators, casts or SQL in strings"""
        connection = self.session()
        for sql in ("DO $$ BEGIN PERFORM token FROM sec.tokens; END $$", "SELECT steal()", "SELECT public.steal()",
                    "SELECT 1 === 'x'", "SELECT 1 OPERATOR(public.===) 'x'", "SELECT table_to_xml('sec.tokens', true, false, '')",
                    "SELECT query_to_xml('select * from sec.tokens', true, false, '')", "SELECT * FROM steal()",
                    "SELECT id FROM users ORDER BY steal()", "SELECT id FROM users WHERE name = ANY (ARRAY[steal()])",
                    "VALUES (steal())", "INSERT INTO ledger SELECT length(steal())", "CALL nothing()",
                    "SELECT 'x'::public.mytype", "SELECT ts_stat('select token from sec.tokens')",
                    "SELECT lo_import('/etc/passwd')", "SELECT cursor_to_xml('c', 1, true, false, '')"):
            frames = connection.simple(sql)
            self.assertEqual(wire.error_codes(frames), ["42501"], sql)
            self.assertNotIn("s3cr3t", str(frames))
        self.assertEqual(wire.rows(connection.simple("SELECT upper(name), length(name) + 1 FROM users WHERE id = 1")),
                         [["USER1", "6"]])

    # ---- 7: names -------------------------------------------------------------------------------------------------

    def test_7_names_in_another_encoding(self):
        """attack 7: where the server keeps names in LATIN1, those beyond ASCII are its own to fold, and are not read"""
        self.lab.admin("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        self.addCleanup(self.lab.admin, "DROP DATABASE latin WITH (FORCE)")
        self.lab.admin("SET client_encoding = 'UTF8'; CREATE TABLE gehälter (s text); INSERT INTO gehälter VALUES ('s3cr3t')",
                       database="latin")
        connection = self.session(database="latin", client_encoding="UTF8")
        self.assertEqual(connection.parameters["server_encoding"], "LATIN1")
        for sql in ("SELECT * FROM gehälter", "SELECT * FROM GEHÄLTER", 'SELECT * FROM U&"geh\\00e4lter"',
                    "SELECT query_to_xml(E'SELECT * FROM geh\\u00e4lter', true, false, '')", "SELECT 'ä'"):
            frames = connection.simple(sql)
            self.assertEqual(wire.error_codes(frames), ["22021"], sql)
            self.assertNotIn("s3cr3t", str(frames))
        self.assertIn("bind it as a parameter", str(frames))
        self.assertEqual(wire.rows(connection.simple("SELECT 'a' || 1")), [["a1"]])
        bound = connection.send(parse("SELECT upper($1::text) || 1"), bind(values=("ä",)), execute(), sync()).until("Z")
        self.assertEqual(wire.rows(bound), [["ä1"]])

    # ---- 8: actions without SQL ----------------------------------------------------------------------------------

    def test_8_function_call(self):
        """attack 8: FunctionCall passes only by a rule that names it"""
        call = frame("F", struct.pack(">IHHH", 1598, 0, 0, 0))  # random()
        self.using(ALLOW_ALL.replace(', "function_call", "replication"', ""))
        frames = self.session().send(call).until("Z")
        self.assertEqual(wire.error_codes(frames), ["42501"])
        self.using(ANYTHING)
        self.assertEqual(wire.kinds(self.session().send(call).until("Z")), "VZ")

    def test_8_replication(self):
        """attack 8: a replication connection passes only by a rule that names it"""
        self.using(ALLOW_ALL.replace(', "function_call", "replication"', ""))
        for value in ("true", "database", "on", "1"):
            self.refused_login(replication=value)

    def test_8_declared_user(self):
        """attack 8: sql.user is the credential's; what the agent claims is sql.declared_user"""
        self.using('[[rule]]\nname = "u"\nendpoint = "pg-prod"\nverdict = "allow"\n'
                   "condition = \"sql.user == 'agent_ro' && sql.declared_user == 'postgres' && sql.database == 'app'\"\n")
        self.assertEqual(wire.rows(self.session(user="postgres").simple("SELECT current_user::text")), [["agent_ro"]])
        self.assertEqual(wire.error_codes(self.session(user="other").simple("SELECT 1")), ["42501"])

    # ---- 10: cancel ----------------------------------------------------------------------------------------------

    def cancel(self, key):
        with self.lab.connect(self.address) as connection:
            connection.sendall(struct.pack(">II", 8 + len(key), 80877102) + key)
            try:
                return connection.recv(100)
            except ConnectionResetError:
                return b""

    def test_10_cancel(self):
        """attack 10: the right key cancels a statement in flight; a wrong one and a late one do nothing"""
        self.using(ANYTHING)
        connection = self.session()
        connection.send(query("SELECT pg_sleep(30)"))
        for attempt in range(5):
            self.cancel(connection.key[:4] + struct.pack(">I", attempt))
        threading.Timer(0.3, self.cancel, (connection.key,)).start()
        begun = time.monotonic()
        self.assertEqual(wire.error_codes(connection.until("Z")), ["57014"])
        self.assertLess(time.monotonic() - begun, 20)
        self.cancel(connection.key)  # nothing in flight: not forwarded
        self.assertEqual(wire.error_codes(connection.simple("SELECT pg_sleep(0.3)")), [])

    def test_10_keys_are_ours(self):
        """attack 10: the key that an agent gets is not the server's"""
        self.using(ANYTHING)
        connection = self.session()
        pid = struct.unpack(">I", connection.key[:4])[0]
        upstream = wire.rows(connection.simple("SELECT pg_backend_pid()"))[0][0]
        self.assertNotEqual(str(pid), upstream)


class FourTexts(unittest.TestCase):
    """The texts that fool other gateways, against the real server."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(rules=CAREFUL).__enter__()
        cls.address = cls.lab.virtual_address()

    @classmethod
    def tearDownClass(cls):
        cls.lab.__exit__(None, None, None)

    def refused(self, *texts):
        connection = wire.Connection(self.lab.connect(self.address)).login()
        last = [connection.simple(sql) for sql in texts][-1]
        connection.socket.close()
        self.assertEqual(len(wire.errors(last)), 1, last)
        self.assertEqual(self.lab.admin("SELECT count(*) FROM users"), "100")
        return wire.errors(last)[0]

    def test_escape_string(self):
        self.assertEqual(self.refused("SELECT E'a\\'' ; DROP TABLE users; --'")["M"], "Nothing is dropped here")

    def test_comment_ended_by_carriage_return(self):
        self.assertEqual(self.refused("SELECT 1 --x\r; DROP TABLE users")["M"], "Nothing is dropped here")

    def test_dollar_in_an_identifier(self):
        error = self.refused("SELECT 1 AS a$b$; DROP TABLE users; SELECT 1 AS c$b$")
        self.assertEqual(error["M"], "Nothing is dropped here")

    def test_strings_without_standard_conformance(self):
        self.refused("SELECT set_config('standard_conforming_strings','off',false)")
        connection = wire.Connection(self.lab.connect(self.address)).login()
        connection.simple("SELECT set_config('standard_conforming_strings','off',false)")
        frames = connection.simple("SELECT 'a\\'' ; DROP TABLE users; --'")
        connection.socket.close()
        self.assertEqual(wire.rows(frames), [["a\\' ; DROP TABLE users; --"]], "one string, as it was judged")
        self.assertEqual(self.lab.admin("SELECT count(*) FROM users"), "100")


if __name__ == "__main__":
    unittest.main(verbosity=2)
