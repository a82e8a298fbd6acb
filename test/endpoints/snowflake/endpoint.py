"""A Snowflake for tests: fakesnow, which runs Snowflake's SQL on DuckDB, behind the REST calls that snowflake-sdk makes.

    python endpoint.py FOLDER [PORT]     with the password of all users in ENDPOINT_PASSWORD

The data lies in FOLDER, the database is BATCHTRAIL. The first line of stdout is {"port": …, "version": …}. The process
ends when its stdin does, so it never outlives whoever started it. GET /statements lists what was run.

fakesnow has a server of its own. It answers in Arrow, which the Node driver can't read, can't MERGE in a transaction, and
differs from Snowflake in ways that would hide mistakes. So this one
- lets UPDATE, DELETE and MERGE lock their table until the transaction ends, and aborts the 21st that waits (000625),
- commits with every DDL statement, and does not enforce keys,
- knows users with fewer rights (USERS), wrong passwords and databases that are not there,
- has stages, PUT and COPY INTO with a SELECT (stages.py).
"""
import asyncio, base64, gzip, json, logging, os, re, secrets, socket, sys, threading, time

import duckdb
import pyarrow as pa
import uvicorn

# fakesnow names an exception that came with DuckDB 2.
if not hasattr(duckdb, "ResourceInUseException"):
    duckdb.ResourceInUseException = type("ResourceInUseException", (duckdb.Error,), {})

import fakesnow.instance
import fakesnow.transforms
import snowflake.connector.errors
import sqlglot
from concurrent.futures import ThreadPoolExecutor
from fakesnow.converter import from_binding
from fakesnow.rowtype import describe_as_rowtype
from importlib.metadata import version
from sqlglot import exp
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from stages import Refused, Stages

DATABASE = "BATCHTRAIL"
PASSWORD = os.environ["ENDPOINT_PASSWORD"]
# Added to every statement: a real one costs 100 to 1000 ms.
STATEMENT_SECONDS = float(os.environ.get("ENDPOINT_STATEMENT_MS", "0")) / 1000
LOCK_SECONDS = 10
# After so long without a statement, a transaction that others wait for is taken back: a real one gives it 5 minutes.
IDLE_SECONDS = float(os.environ.get("ENDPOINT_IDLE_SECONDS", "300"))
LOOK_SECONDS = 0.2
MOST_WAITERS = 20

READS = {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"}
WRITES = {"INSERT", "UPDATE", "DELETE", "MERGE", "COPY"}
LOCKING = {"UPDATE": exp.Update, "DELETE": exp.Delete, "MERGE": exp.Merge}
FRAME = {"BEGIN", "COMMIT", "ROLLBACK"}
# ALTER SESSION and the like: fakesnow does not know all of the settings, and none of them matters here.
IGNORED = re.compile(r"\s*(ALTER\s+SESSION|USE\s+(?!SCHEMA)|GRANT|REVOKE)\b", re.I)
# What each user may do beside logging in; None: everything.
USERS = {"OWNER": None, "WORKER": READS | WRITES | FRAME, "READER": READS | FRAME, "STRANGER": FRAME}

# It would make several statements of a MERGE, which DuckDB knows itself by now.
fakesnow.transforms.merge = lambda statement: [statement]
# It says of each column comment that DuckDB has none.
logging.getLogger("sqlglot").setLevel(logging.ERROR)
snow = fakesnow.instance.FakeSnow(create_schema_on_connect=False, db_path=sys.argv[1])
# What does not fit goes to the folder, not to the current one, and never takes all of the machine.
snow.duck_conn.execute(f"SET GLOBAL temp_directory = '{sys.argv[1]}/overflow'")
snow.duck_conn.execute("SET GLOBAL memory_limit = '4GB'")
snow.connect(DATABASE)
snow.create_database_on_connect = False
# fakesnow's own repeats the whole array beside each of its elements.
snow.duck_conn.execute(f"""CREATE OR REPLACE MACRO {DATABASE}._fs_flatten(input) AS TABLE
    SELECT NULL::UBIGINT AS SEQ, NULL::VARCHAR AS KEY, NULL::VARCHAR AS PATH, key::BIGINT AS INDEX, value AS VALUE, NULL::JSON AS THIS
    FROM json_each(input)""")
sessions = {}
statements = []
stages = Stages(sys.argv[1])


class TableLocks:
    def __init__(self):
        self.changed, self.owners, self.waiters = threading.Condition(), {}, {}

    def take(self, table, session):
        with self.changed:
            is_free = lambda: self.owners.get(table, session) is session
            if not is_free():
                waiting = self.waiters.get(table, 0)
                if waiting >= MOST_WAITERS:
                    raise self.aborted(table, "the number of waiters for this lock exceeds the 20 statements limit")
                self.waiters[table] = waiting + 1
                try:
                    deadline = time.monotonic() + LOCK_SECONDS
                    while not self.changed.wait_for(lambda: is_free() or session.is_interrupted, LOOK_SECONDS):
                        self.owners[table].end_if_idle()
                        if time.monotonic() > deadline:
                            raise self.aborted(table, "the lock timeout was reached")
                    if session.is_interrupted:
                        raise Refused("000604", "57014", "SQL execution canceled")
                finally:
                    self.waiters[table] -= 1
            self.owners[table] = session

    def release(self, session):
        with self.changed:
            self.owners = {table: owner for table, owner in self.owners.items() if owner is not session}
            self.changed.notify_all()

    def wake(self):
        with self.changed:
            self.changed.notify_all()

    def aborted(self, table, why):
        message = f"Statement 'x' has locked table '{table}' in transaction 1 and this lock has not yet been released.\n"
        return Refused("000625", "57014", f"{message}Your statement 'y' was aborted because {why}.")


locks = TableLocks()
ddl = threading.Lock()


class Session:
    def __init__(self, user, database, schema):
        self.may = USERS[user]
        self.conn = snow.connect(database, schema)
        self.busy, self.in_transaction, self.is_interrupted = threading.Lock(), False, False
        self.stages, self.used_at = stages.of_session(), time.monotonic()

    def run(self, sql, bindings):
        word = first_word(sql)
        time.sleep(STATEMENT_SECONDS)
        if IGNORED.match(sql):
            sql, bindings, word = "SELECT 'Statement executed successfully.' AS status", {}, "SELECT"
        elif self.may is not None and word not in self.may:
            missing = word in READS | WRITES
            raise Refused("002003", "02000", "SQL compilation error:\nObject does not exist or not authorized.") if missing \
                else Refused("003001", "42501", "SQL access control error:\nInsufficient privileges to operate on schema.")
        with self.busy:
            self.is_interrupted = False
            try:
                return self.in_frame(word, sql, bindings)
            finally:
                self.used_at = time.monotonic()

    def end_if_idle(self):
        if time.monotonic() - self.used_at < IDLE_SECONDS or not self.busy.acquire(blocking=False):
            return
        try:
            self.in_frame("ROLLBACK", "ROLLBACK", {})
        finally:
            self.busy.release()

    def in_frame(self, word, sql, bindings):
        if word not in READS | WRITES | FRAME:
            if self.in_transaction:
                self.in_frame("COMMIT", "COMMIT", {})
            # fakesnow keeps notes on tables in tables of its own, where two at once collide.
            with ddl:
                return self.execute(word, sql, bindings)
        try:
            if word in LOCKING:
                locks.take(self.target(sql, LOCKING[word]), self)
            return self.execute(word, sql, bindings)
        finally:
            if word in FRAME:
                self.in_transaction = word == "BEGIN"
            if not self.in_transaction:
                locks.release(self)

    def target(self, sql, kind):
        table = sqlglot.parse_one(sql, read="snowflake").find(kind).this.find(exp.Table)
        return f"{table.db or self.conn.schema}.{table.name}".upper()

    def execute(self, word, sql, bindings):
        # A null has no form of its own in some types.
        params = [None if b["value"] is None else from_binding(b) for _, b in sorted(bindings.items(), key=lambda b: int(b[0]))]
        cursor = self.conn.cursor()
        if word == "COPY":
            return self.copy(sql, cursor)
        if word == "CREATE" and self.stages.create(sql):
            # What fakesnow knows of a stage is enough to show it.
            sql = self.stages.without_options(sql)
        if word == "MERGE":
            cursor.execute(f"{sql} RETURNING merge_action", binding_params=params, server=True)
            return merge_result(sql, cursor._arrow_table.column(0).to_pylist())
        cursor.execute(without_keys(sql) if word == "CREATE" else sql, binding_params=params, server=True)
        columns = describe_as_rowtype(cursor._describe_last_sql())
        table = cursor._arrow_table
        rows = zip(*(encoded(values, column["type"].lower()) for values, column in zip(table.columns, columns)))
        return columns, [list(row) for row in rows]

    def copy(self, sql, cursor):
        copy = self.stages.read_copy(sql)
        loaded = []
        for name, rows in copy.files():
            self.conn._duck_conn.register("STAGED_ROWS", rows)
            try:
                cursor.execute(copy.insert("STAGED_ROWS", name), server=True)
            finally:
                self.conn._duck_conn.unregister("STAGED_ROWS")
            loaded.append([name, "LOADED", str(rows.num_rows), str(rows.num_rows)])
        text = {"type": "text", "scale": None, "precision": None, "length": 16777216, "byteLength": 16777216, "nullable": True}
        return [{"name": name, **text} for name in ("file", "status", "rows_parsed", "rows_loaded")], loaded

    def interrupt(self):
        self.is_interrupted = True
        locks.wake()
        self.conn._duck_conn.interrupt()

    def close(self):
        with self.busy:
            if self.in_transaction:
                self.in_frame("ROLLBACK", "ROLLBACK", {})
            self.conn.close()
            self.stages.close()


def without_keys(sql):
    """Snowflake only notes them."""
    statement = sqlglot.parse_one(sql, read="snowflake")
    for key in list(statement.find_all(exp.Constraint)):
        key.pop()
    return statement.sql("snowflake")


def merge_result(sql, actions):
    """A count for each kind of change that the statement may make."""
    statement = sqlglot.parse_one(sql, read="snowflake")
    kinds = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}
    asked = [kind for kind in kinds if any(kind in when.args["then"].sql().upper() for when in statement.find_all(exp.When))]
    fixed = {"type": "fixed", "scale": 0, "precision": 19, "length": None, "byteLength": None, "nullable": False}
    columns = [{"name": f"number of rows {kinds[kind]}", **fixed} for kind in asked]
    return columns, [[str(actions.count(kind)) for kind in asked]]


def first_word(sql):
    text = re.sub(r"^(\s+|--[^\n]*\n|/\*.*?\*/|\()+", "", sql, flags=re.S)
    word = re.match(r"\w*", text).group().upper()
    return "BEGIN" if word == "START" else word


def encoded(column, kind):
    """A column's values as the texts that Snowflake sends."""
    if kind.startswith("timestamp"):
        zone = " 1440" if kind == "timestamp_tz" else ""
        micros = column.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
        return [None if at is None else f"{at // 10**6}.{at % 10**6:06d}000{zone}" for at in micros]
    if kind == "date":
        return [None if day is None else str(day) for day in column.cast(pa.int32()).to_pylist()]
    if kind == "time":
        micros = column.cast(pa.time64("us")).cast(pa.int64()).to_pylist()
        return [None if at is None else f"{at // 10**6}.{at % 10**6:06d}000" for at in micros]
    return [None if value is None else text_of(value) for value in column.to_pylist()]


def text_of(value):
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, (dict, list)):
        return json.dumps(value, default=str)
    return format(value, "f") if hasattr(value, "as_tuple") else str(value)


# Enough for all who wait for a lock, and for whoever is to release it.
threads = ThreadPoolExecutor(500)


def in_thread(work, *arguments):
    return asyncio.get_running_loop().run_in_executor(threads, work, *arguments)


async def read_body(request):
    body = await request.body()
    return json.loads(gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body)


def failure(code, message, state=None, status=200):
    data = {"errorCode": code, "sqlState": state, "queryId": secrets.token_hex(16)}
    return JSONResponse({"success": False, "code": code, "message": message, "data": data}, status_code=status)


async def login(request):
    data = (await read_body(request))["data"]
    user = (data.get("LOGIN_NAME") or "OWNER").upper()
    kind = data.get("AUTHENTICATOR", "SNOWFLAKE")
    if kind == "SNOWFLAKE_JWT":
        # The signature is not checked, only that the token speaks of this user.
        claims = json.loads(base64.urlsafe_b64decode(data["TOKEN"].split(".")[1] + "=="))
        is_known = claims["sub"].endswith(f".{user}") and f".{user}.SHA256:" in claims["iss"]
    else:
        is_known = PASSWORD == (data.get("PASSWORD") if kind == "SNOWFLAKE" else data.get("TOKEN"))
    if user not in USERS or not is_known:
        return failure("390100", "Incorrect username or password was specified.")
    database, schema = (request.query_params.get(name, "").strip('"') or None for name in ("databaseName", "schemaName"))
    token = secrets.token_urlsafe(24)
    sessions[token] = await in_thread(Session, user, database, schema)
    tokens = {"token": token, "masterToken": token, "validityInSeconds": 3600, "masterValidityInSeconds": 14400}
    return JSONResponse({"success": True, "data": {**tokens, "sessionId": len(sessions), "parameters": []}})


def token_of(request):
    return request.headers.get("authorization", "")[len('Snowflake Token="'):-1]


async def session_call(request):
    token = token_of(request)
    if token not in sessions:
        return failure("390104", "User must login again to access the service.", status=401)
    if request.query_params.get("delete"):
        await in_thread(sessions.pop(token).close)
    return JSONResponse({"success": True, "data": None})


async def query(request):
    session = sessions.get(token_of(request))
    if session is None:
        return failure("390104", "User must login again to access the service.", status=401)
    body = await read_body(request)
    statements.append({"text": body["sqlText"], "tag": (body.get("parameters") or {}).get("QUERY_TAG")})
    try:
        if first_word(body["sqlText"]) == "PUT":
            # The driver copies the file, to a folder here as to a bucket there.
            return JSONResponse({"success": True, "code": None, "message": None, "data": session.stages.put(body["sqlText"])})
        columns, rows = await in_thread(session.run, body["sqlText"], body.get("bindings") or {})
    except Refused as error:
        return failure(error.code, str(error), error.state)
    except snowflake.connector.errors.Error as error:
        return failure(f"{error.errno:06d}", error.msg, error.sqlstate)
    except duckdb.InterruptException:
        return failure("000604", "SQL execution canceled", "57014")
    except duckdb.ConstraintException as error:
        return failure("100072", f"{error}", "22000")
    except duckdb.TransactionException as error:
        # Two transactions changed the same row. Snowflake lets the second wait for the first.
        return failure("000625", f"{error}", "57014")
    except Exception as error:
        return failure("000603", f"{type(error).__name__}: {error}", "XX000")
    kinds = {"SELECT": 0x1000, "INSERT": 0x3100, "UPDATE": 0x3200, "DELETE": 0x3300, "MERGE": 0x3400}
    data = {
        "rowtype": columns, "rowset": rows, "total": len(rows), "returned": len(rows), "queryResultFormat": "json",
        "queryId": secrets.token_hex(16), "statementTypeId": kinds.get(first_word(body["sqlText"]), 0),
        "parameters": [{"name": name, "value": value} for name, value in FORMATS.items()],
    }
    return JSONResponse({"success": True, "code": None, "message": None, "data": data})


FORMATS = {
    "TIMEZONE": "UTC", "DATE_OUTPUT_FORMAT": "YYYY-MM-DD", "TIME_OUTPUT_FORMAT": "HH24:MI:SS", "BINARY_OUTPUT_FORMAT": "HEX",
    "TIMESTAMP_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM", "TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3",
}


async def abort(request):
    session = sessions.get(token_of(request))
    if session is not None:
        session.interrupt()
    return JSONResponse({"success": True})


async def accept(_request):
    return JSONResponse({"success": True})


async def list_statements(_request):
    return JSONResponse(statements)


def end_with_stdin():
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    # With the protocol named, asyncio sends small answers without delay.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0))
    listener.listen(200)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    about = f"fakesnow {version('fakesnow')} on DuckDB {version('duckdb')}"
    print(json.dumps({"port": listener.getsockname()[1], "version": about}), flush=True)
    app = Starlette(routes=[
        Route("/session/v1/login-request", login, methods=["POST"]),
        Route("/session", session_call, methods=["POST"]),
        Route("/session/heartbeat", session_call, methods=["POST"]),
        Route("/queries/v1/query-request", query, methods=["POST"]),
        Route("/queries/v1/abort-request", abort, methods=["POST"]),
        Route("/telemetry/send", accept, methods=["POST"]),
        Route("/statements", list_statements),
    ])
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
