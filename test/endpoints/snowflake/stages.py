"""Stages, and COPY INTO from them, which fakesnow does not know with a SELECT.

A stage is a folder of the endpoint's, or a bucket of an S3 server: CREATE STAGE … URL = 's3compat://…' ENDPOINT = '…'
CREDENTIALS = (AWS_KEY_ID = '…' AWS_SECRET_KEY = '…'), which is how Snowflake reads servers that are not Amazon's. Files
are read in one dialect of CSV; a COPY that asks for another is refused.
"""
import gzip, os, re, secrets, shutil

import boto3
import botocore.config
import botocore.exceptions
import pyarrow as pa

NAME = r'(?:[\w$]+|"[^"]+")(?:\.(?:[\w$]+|"[^"]+"))*'
TEXT = r"'(?:[^'\\]|''|\\.)*'"
CREATE = re.compile(
    rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(TEMPORARY\s+)?STAGE\s+(?:IF\s+NOT\s+EXISTS\s+)?({NAME})(?:\s+URL\s*=\s*({TEXT}))?(.*)", re.I | re.S)
PUT = re.compile(rf"\s*PUT\s+({TEXT})\s+({TEXT})(.*)", re.I | re.S)
COPY = re.compile(
    rf"\s*COPY\s+INTO\s+({NAME})\s+FROM\s*\(\s*SELECT\s+(.*?)\s+FROM\s+({TEXT})\s*\)\s*FILES\s*=\s*\((.*?)\)\s*"
    r"FILE_FORMAT\s*=\s*\(((?:[^()']|'(?:[^'\\]|''|\\.)*'|\(\))*)\)\s*ON_ERROR\s*=\s*ABORT_STATEMENT\s*$", re.I | re.S)
OPTION = re.compile(rf"(\w+)\s*=\s*({TEXT}|\(\)|\w+)", re.S)
DIALECT = {
    "TYPE": "CSV", "COMPRESSION": "GZIP", "ENCODING": "'UTF8'", "FIELD_DELIMITER": "','", "RECORD_DELIMITER": r"'\n'",
    "FIELD_OPTIONALLY_ENCLOSED_BY": "'\"'", "ESCAPE": "NONE", "ESCAPE_UNENCLOSED_FIELD": "NONE", "NULL_IF": "()",
    "EMPTY_FIELD_AS_NULL": "TRUE", "SKIP_BLANK_LINES": "FALSE", "TRIM_SPACE": "FALSE",
}
FIELD = re.compile(r'"((?:[^"]|"")*)"|([^,\n"]*)')


class Refused(Exception):
    def __init__(self, code, state, message):
        super().__init__(message)
        self.code, self.state = code, state


class Stages:
    """All of the endpoint; temporary ones belong to a session and go with it."""
    def __init__(self, folder):
        self.folder, self.known = os.path.join(folder, "stages"), {}

    def of_session(self):
        return SessionStages(self)

    def new_folder(self):
        return os.path.join(self.folder, secrets.token_hex(8))


class SessionStages:
    def __init__(self, stages):
        self.stages, self.own = stages, {}

    def create(self, sql):
        found = CREATE.match(sql)
        if not found:
            return False
        temporary, name, url, options = found.groups()
        known = self.own if temporary else self.stages.known
        given = {key: text_of(value) for key, value in OPTION.findall(options) if value.startswith("'")}
        known[short(name)] = Bucket(text_of(url), given) if url else Folder(self.stages.new_folder())
        return True

    @staticmethod
    def without_options(sql):
        temporary, name, url, _ = CREATE.match(sql).groups()
        return f"CREATE OR REPLACE {temporary or ''}STAGE {name}{f' URL = {url}' if url else ''}"

    def find(self, text):
        """The stage of '@name/path', and the path."""
        name, _, path = text_of(text).removeprefix("@").partition("/")
        stage = self.own.get(short(name)) or self.stages.known.get(short(name))
        if stage is None:
            raise Refused("002003", "02000", f"SQL compilation error:\nStage '{name}' does not exist or not authorized.")
        return stage, path

    def put(self, sql):
        file, target, options = PUT.match(sql).groups()
        stage, path = self.find(target)
        if not re.search(r"AUTO_COMPRESS\s*=\s*FALSE", options, re.I):
            raise Refused("001481", "42601", "This endpoint compresses nothing: AUTO_COMPRESS = FALSE")
        return {
            "command": "UPLOAD", "src_locations": [re.sub("^file://", "", text_of(file))], "parallel": 4, "autoCompress": False,
            "sourceCompression": "gzip", "overwrite": True, "encryptionMaterial": None, "presignedUrls": None,
            "stageInfo": {"locationType": "LOCAL_FS", "location": os.path.join(stage.folder, path), "creds": {}},
        }

    def read_copy(self, sql):
        found = COPY.match(sql)
        if not found:
            raise Refused("001003", "42000", "SQL compilation error:\nThis endpoint knows COPY INTO with a SELECT, FILES and FILE_FORMAT only.")
        table, columns, place, files, options = found.groups()
        if dict(OPTION.findall(options)) != DIALECT:
            raise Refused("001003", "42000", f"SQL compilation error:\nThis endpoint reads no other CSV than {DIALECT}.")
        stage, path = self.find(place)
        return Copy(stage, path, [text_of(text) for text in re.findall(TEXT, files)], table, columns)

    def close(self):
        for stage in self.own.values():
            shutil.rmtree(stage.folder, ignore_errors=True)


class Folder:
    def __init__(self, folder):
        self.folder = folder

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise missing(name)


class Bucket:
    def __init__(self, url, options):
        self.bucket, _, self.prefix = re.sub(r"^\w+://", "", url).partition("/")
        self.s3 = boto3.client(
            "s3", endpoint_url=f"http://{options['ENDPOINT']}", region_name="us-east-1",
            aws_access_key_id=options["AWS_KEY_ID"], aws_secret_access_key=options["AWS_SECRET_KEY"],
            config=botocore.config.Config(s3={"addressing_style": "path"}))

    def read(self, name):
        try:
            return self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"].read()
        except botocore.exceptions.ClientError as error:
            raise missing(name) if error.response["Error"]["Code"] == "NoSuchKey" else Refused("091003", "22000", str(error))


class Copy:
    def __init__(self, stage, path, names, table, columns):
        self.stage, self.path, self.names, self.table, self.columns = stage, path, names, table, columns

    def files(self):
        """The path of each, and its rows as texts, all or none."""
        width = len(re.findall(r"\$\d+", self.columns))
        return [(self.path + name, arrow(parsed(gzip.decompress(self.stage.read(self.path + name)).decode()), width)) for name in self.names]

    def insert(self, rows, name):
        columns = re.sub(r"\$(\d+)", r"F\1", self.columns)
        columns = columns.replace("METADATA$FILENAME", "'" + name.replace("'", "''") + "'").replace("METADATA$FILE_ROW_NUMBER", "FILEROW")
        return f"INSERT INTO {self.table} SELECT {columns} FROM {rows}"


def parsed(text):
    """Rows of fields: None for an empty one without quotes."""
    rows, row, at = [], [], 0
    while at < len(text):
        field = FIELD.match(text, at)
        row.append(field[1].replace('""', '"') if field[1] is not None else field[2] or None)
        at = field.end()
        if at >= len(text) or text[at] not in ",\n":
            raise Refused("100068", "22000", "Found character other than the field delimiter behind a field")
        if text[at] == "\n":
            rows.append(row)
            row = []
        at += 1
    return rows


def arrow(rows, width):
    for row in rows:
        if len(row) != width:
            raise Refused("100080", "22000", f"Number of columns in file ({len(row)}) does not match that of the corresponding table ({width})")
    columns = {f"F{index + 1}": pa.array([row[index] for row in rows], pa.string()) for index in range(width)}
    return pa.table({**columns, "FILEROW": pa.array(range(1, len(rows) + 1), pa.int64())})


def missing(name):
    return Refused("091016", "22000", f"Remote file '{name}' was not found.")


def text_of(literal):
    return re.sub(r"\\(.)", r"\1", literal[1:-1].replace("''", "'"))


def short(name):
    """By its last part: tests have no two of one name."""
    return name.split(".")[-1].strip('"').upper()
