/**
 * The configuration: `batchtrail.yaml` and the environment become one frozen `Config`; the plugin's options are
 * checked by the same shape. Every error names the key.
 */
import { dirname, resolve } from 'node:path';
import { DEFAULT_CONFIG_FILE, readConfigFile } from './configFile.js';
import { BadConfig } from './domain/errors.js';
import type { InputPolicy } from './domain/inputPolicy.js';
import type { Check } from './domain/shape.js';
import { flag, listOf, mapOf, object, optional, ShapeError, show, text } from './domain/shape.js';
export { secretsOf } from './secrets.js';

export interface Connection {
  readonly url: string;
  /** Folder of SQL scripts, one per transform, for SQLite, which has no stored procedures. */
  readonly scripts?: string | undefined;
}

export interface AuditSettings {
  readonly url: string;
  /** The schema that holds the audit tables. Default: `Audit`. */
  readonly schema?: string | undefined;
  /**
   * The file that keeps what happens while the audit's database can't be reached. It must outlive the process and its
   * container. Default: `outbox.db` in the folder of a `sqlite:` URL, else in `./.batchtrail`.
   */
  readonly outbox?: string | undefined;
  /** While the audit's database can't be reached, running steps wait, too, and nothing is kept in the outbox. */
  readonly strict?: boolean | undefined;
  /** What becomes of the inputs of workflows. Default: a digest of each is recorded. */
  readonly inputs?: InputPolicy | undefined;
}

/** What a worker needs to keep the audit and to run the ready-made pipelines. */
export interface BatchtrailOptions {
  readonly audit: AuditSettings;
  /** The systems that workflow inputs may name. Default: none. */
  readonly connections?: Readonly<Record<string, Connection>> | undefined;
}

/** What `batchtrail worker` needs on top. */
export interface Config extends BatchtrailOptions {
  readonly audit: AuditSettings & { readonly outbox: string };
  readonly connections: Readonly<Record<string, Connection>>;
  readonly worker: {
    readonly taskQueue: string;
    /** A module whose exports are the user's workflows. */
    readonly workflowsPath?: string | undefined;
    /** A module whose exported functions are the user's activities. */
    readonly activities?: string | undefined;
    /** A module that exports the `dataConverter` of the user's workers and clients. */
    readonly dataConverter?: string | undefined;
  };
  readonly temporal: {
    /** Where Temporal's Web UI is, for links to runs. */
    readonly ui?: string | undefined;
  };
}

const DEFAULT_AUDIT_URL = 'sqlite:./.batchtrail';
const DEFAULT_TASK_QUEUE = 'etl';

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the file that was named, by the caller or by BATCHTRAIL_CONFIG, else `batchtrail.yaml` where there is one. */
export function loadConfig(named: string | undefined, env: Environment = process.env): Config {
  const explicit = named ?? (env.BATCHTRAIL_CONFIG || undefined);
  const file = explicit ?? DEFAULT_CONFIG_FILE;
  const folder = dirname(resolve(file));
  const data = readConfigFile(file, explicit !== undefined) ?? {};
  const { audit, connections, worker, temporal } = checked(
    fileShape(folder, env),
    data,
    'config',
    `${file}: `,
  );
  const url = env.BATCHTRAIL_AUDIT_URL
    ? absoluteUrl(env.BATCHTRAIL_AUDIT_URL, process.cwd())
    : (audit?.url ?? absoluteUrl(DEFAULT_AUDIT_URL, folder));
  const outbox = env.BATCHTRAIL_OUTBOX
    ? resolve(env.BATCHTRAIL_OUTBOX)
    : (audit?.outbox ?? defaultOutbox(url, folder));
  return deepFreeze({
    audit: { ...audit, url, outbox },
    connections: connections ?? {},
    worker: { ...worker, taskQueue: worker?.taskQueue ?? DEFAULT_TASK_QUEUE },
    temporal: temporal ?? {},
  });
}

/** Checks options that were given in code, where a relative path counts from the current folder. */
export function checkOptions(value: unknown, at: string): Pick<Config, 'audit'> & BatchtrailOptions {
  const folder = process.cwd();
  const shape = object({
    audit: object({
      url: urlFrom(folder, text),
      schema: optional(text),
      outbox: optional(pathFrom(folder, text)),
      strict: optional(flag),
      inputs: optional(inputsShape(text)),
    }),
    connections: connectionsShape(folder, text),
  });
  const { audit, connections } = checked(shape, value, at);
  return deepFreeze({
    audit: { ...audit, outbox: audit.outbox ?? defaultOutbox(audit.url, folder) },
    connections,
  });
}

function fileShape(folder: string, env: Environment) {
  const setting = expanded(env);
  // A variable that only the overridden URL needs may be missing.
  const auditUrl = env.BATCHTRAIL_AUDIT_URL ? text : urlFrom(folder, setting);
  return object({
    audit: optional(
      object({
        url: optional(auditUrl),
        schema: optional(setting),
        outbox: optional(pathFrom(folder, setting)),
        strict: optional(flag),
        inputs: optional(inputsShape(setting)),
      }),
    ),
    connections: connectionsShape(folder, setting),
    worker: optional(
      object({
        taskQueue: optional(setting),
        workflowsPath: optional(pathFrom(folder, setting)),
        activities: optional(pathFrom(folder, setting)),
        dataConverter: optional(pathFrom(folder, setting)),
      }),
    ),
    temporal: optional(object({ ui: optional(webAddress(setting)) })),
  });
}

function inputsShape(setting: Check<string>): Check<InputPolicy> {
  return object({ keep: optional(flag), redact: optional(listOf(setting)) });
}

function connectionsShape(folder: string, setting: Check<string>) {
  return optional(
    mapOf(object({ url: urlFrom(folder, setting), scripts: optional(pathFrom(folder, setting)) })),
  );
}

/** A text with `${NAME}` replaced by the environment's value. An empty value is most likely a mistake, too. */
function expanded(env: Environment): Check<string> {
  return (value, at) =>
    text(value, at).replace(/\$\{([^}]*)\}/g, (_, name: string) => {
      const found = env[name];
      if (!found) throw new ShapeError(`${at} needs the environment variable ${name}, which is not set`);
      return found;
    });
}

/** Without a slash at its end. */
function webAddress(setting: Check<string>): Check<string> {
  return (value, at) => {
    const address = setting(value, at);
    if (/^https?:\/\//i.test(address) && URL.canParse(address)) return address.replace(/\/+$/, '');
    throw new ShapeError(`${at} must be an address like http://localhost:8233, not ${show(address)}`);
  };
}

function pathFrom(folder: string, setting: Check<string>): Check<string> {
  return (value, at) => resolve(folder, setting(value, at));
}

function urlFrom(folder: string, setting: Check<string>): Check<string> {
  return (value, at) => absoluteUrl(setting(value, at), folder);
}

function defaultOutbox(auditUrl: string, folder: string): string {
  const auditFolder = /^sqlite:(?:\/\/(?=\/))?(?!:memory:)(.+)$/.exec(auditUrl)?.[1];
  return resolve(folder, auditFolder ?? '.batchtrail', 'outbox.db');
}

/** A `sqlite:` or `file:` URL names a folder, which must not change with the current folder of whoever opens it. */
function absoluteUrl(url: string, folder: string): string {
  const [, scheme, path] = /^(sqlite|file):(?!\/\/|:memory:)(.+)$/.exec(url) ?? [];
  return path === undefined ? url : `${scheme}:${resolve(folder, path)}`;
}

function checked<T>(check: Check<T>, value: unknown, at: string, prefix = ''): T {
  try {
    return check(value, at);
  } catch (error) {
    if (error instanceof ShapeError) throw new BadConfig(prefix + error.message);
    throw error;
  }
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value))
    if (typeof part === 'object' && part !== null) deepFreeze(part as object);
  return Object.freeze(value);
}
