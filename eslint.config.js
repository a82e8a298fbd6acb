import { readFileSync } from 'node:fs';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const root = import.meta.dirname;
const { dependencies, peerDependencies } = JSON.parse(
  readFileSync(new URL('package.json', import.meta.url), 'utf8'),
);

// What an import may name: a place in the project without its ending, or a package.
const DOMAIN = /^src\/domain\//;
const PROTOCOL = 'src/interceptors/protocol';
const AUDIT = /^src\/audit\//;
const ACTIVITIES = /^src\/activities\//;
const SANDBOX_INTERCEPTORS = /^src\/interceptors\/(marker|protocol|runState|workflow)$/;
const NODE_INTERCEPTORS = /^src\/interceptors\/(?!(runState|workflow)$)/;
const CONFIG = /^src\/(config|configFile|secrets)$/;
const MODULE_FILE = 'src/moduleFile';
const OWN_SCRIPT = 'src/ownScript';
const CONTRACT = /^src\/engines\/(contract|\w+Contract)$/;
const ENGINE_LOOKUP = 'src/engines/index';
const ENGINE_SHARED = /^src\/engines\/shared\//;
const SANDBOX_PACKAGES = ['@temporalio/workflow', '@temporalio/common'];
const NODE = /^node:/;
const TEMPORAL = /^@temporalio\/(?!workflow)/;
// Its types say what the isolate sends; its code only runs there.
const WORKFLOW_TYPES = { types: '@temporalio/workflow' };
// Rows go through the contract as streams of bytes.
const NODE_STREAM_TYPES = { types: 'node:stream' };
const CHAOS_CHECKER = /^test\/chaos\/(checker\/|journal$)/;
const ANY_PACKAGE = { packages: Object.keys({ ...dependencies, ...peerDependencies }) };

/** An engine's drivers: types and `import()` only, so that who does not use the engine need not install them. */
const DRIVERS = {
  sqlite: ['better-sqlite3'],
  file: [],
  s3: ['@aws-sdk/client-s3', '@aws-sdk/lib-storage'],
  postgres: ['pg', 'pg-copy-streams'],
  mssql: ['mssql'],
  snowflake: ['snowflake-sdk'],
};

/** Folders say where code runs. The first row whose files match counts; a file that no row matches may import nothing. */
const LAYERS = [
  { files: DOMAIN, may: [DOMAIN] },
  { files: /^src\/workflows\//, may: [DOMAIN, PROTOCOL, /^src\/workflows\//, ...SANDBOX_PACKAGES] },
  // Not the interceptors themselves: a bundle that has them is taken for one that was built with the plugin.
  { files: /^src\/workflow$/, may: [DOMAIN, PROTOCOL, 'src/interceptors/runState', ...SANDBOX_PACKAGES] },
  {
    files: SANDBOX_INTERCEPTORS,
    may: [DOMAIN, /^src\/interceptors\/(marker|protocol|runState)$/, ...SANDBOX_PACKAGES],
  },
  {
    files: AUDIT,
    may: [DOMAIN, PROTOCOL, CONTRACT, AUDIT, NODE, TEMPORAL, WORKFLOW_TYPES, '@opentelemetry/api'],
  },
  { files: ACTIVITIES, may: [DOMAIN, PROTOCOL, CONTRACT, ENGINE_LOOKUP, AUDIT, ACTIVITIES, NODE, TEMPORAL] },
  {
    files: /^src\/interceptors\//,
    may: [DOMAIN, CONTRACT, AUDIT, NODE_INTERCEPTORS, NODE, TEMPORAL, WORKFLOW_TYPES],
  },
  { files: CONTRACT, may: [DOMAIN, CONTRACT, NODE_STREAM_TYPES] },
  { files: /^src\/engines\/index$/, may: [DOMAIN, CONTRACT, /^src\/engines\/[^/]+\/index$/] },
  { files: ENGINE_SHARED, may: [DOMAIN, CONTRACT, ENGINE_SHARED, NODE] },
  ...Object.entries(DRIVERS).map(([engine, drivers]) => ({
    files: new RegExp(`^src/engines/${engine}/`),
    may: [
      DOMAIN,
      CONTRACT,
      ENGINE_SHARED,
      new RegExp(`^src/engines/${engine}/`),
      OWN_SCRIPT,
      NODE,
      ...drivers.map((lazy) => ({ lazy })),
    ],
  })),
  { files: CONFIG, may: [DOMAIN, CONTRACT, CONFIG, NODE, 'yaml'] },
  { files: /^src\/moduleFile$/, may: [NODE] },
  { files: /^src\/ownScript$/, may: [MODULE_FILE] },
  // The package's entry and the plugin; they find workflow files by path.
  {
    files: /^src\/(index|plugin)$/,
    may: [
      ...[DOMAIN, CONTRACT, ENGINE_LOOKUP, AUDIT, ACTIVITIES, NODE_INTERCEPTORS, CONFIG, 'src/plugin'],
      MODULE_FILE,
      ...[NODE, TEMPORAL],
    ],
  },
  // Nobody imports cli and dashboard, and only these import dev.
  ...['cli', 'dashboard', 'dev'].map((folder) => ({
    files: new RegExp(`^src/${folder}/`),
    may: [
      ...[
        DOMAIN,
        /^src\/engines\//,
        AUDIT,
        ACTIVITIES,
        NODE_INTERCEPTORS,
        CONFIG,
        /^src\/(index|plugin|moduleFile|ownScript)$/,
      ],
      ...[new RegExp(`^src/(${folder}|dev)/`), NODE, ANY_PACKAGE],
    ],
  })),
  // It judges the audit, so it shares no code with it: a mistake in src/ must not hide itself.
  {
    files: CHAOS_CHECKER,
    may: [CHAOS_CHECKER, NODE, '@temporalio/client', '@temporalio/proto', 'better-sqlite3', 'pg'],
  },
];

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', '**/.batchtrail/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    plugins: { batchtrail: { rules: { layers: layersRule(), 'described-disable': describedDisableRule() } } },
    rules: {
      'batchtrail/described-disable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // The contract promises promises; an engine whose driver is synchronous has nothing to await.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/**/*.ts', 'test/chaos/checker/**/*.ts', 'test/chaos/journal.ts'],
    rules: { 'batchtrail/layers': 'error' },
  },
  // Tests take methods apart to spy on them.
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/unbound-method': 'off' } },
  { files: ['**/*.{js,mjs}'], extends: [tseslint.configs.disableTypeChecked] },
);

/**
 * Holds every import of the files it is switched on for to LAYERS, whatever its form: `import`, `import type`, `export from`, `import()`.
 * ESLint's own no-restricted-imports sees neither `import()` nor where `../` leads.
 */
function layersRule() {
  return {
    meta: { type: 'problem', schema: [], messages: { layer: '{{from}} may not import {{to}}{{how}}.' } },
    create(context) {
      const from = withoutEnding(context.filename.slice(root.length + 1).replaceAll('\\', '/'));
      const may = LAYERS.find(({ files }) => files.test(from))?.may ?? [];
      const check = (source, kind) => {
        if (source?.type !== 'Literal') return;
        const to = targetOf(from, source.value);
        if (may.some((entry) => allows(entry, to, kind))) return;
        const how = may.some((entry) => allows(entry, to, 'type')) ? ', except for its types' : '';
        context.report({ node: source, messageId: 'layer', data: { from, to, how } });
      };
      const checkDeclaration = (node) => check(node.source, isTypeOnly(node) ? 'type' : 'code');
      return {
        ImportDeclaration: checkDeclaration,
        ExportNamedDeclaration: checkDeclaration,
        ExportAllDeclaration: checkDeclaration,
        ImportExpression: (node) => check(node.source, 'lazy'),
        TSImportType: (node) => check(node.source ?? node.argument?.literal, 'type'),
      };
    },
  };
}

function isTypeOnly(node) {
  return node.importKind === 'type' || node.exportKind === 'type';
}

function targetOf(from, specifier) {
  if (!specifier.startsWith('.')) return specifier;
  // Where it leads from the importing file, as a path from the project's root.
  return withoutEnding(decodeURI(new URL(specifier, `file:///${from}`).pathname.slice(1)));
}

function withoutEnding(path) {
  return path.replace(/\.[cm]?[jt]sx?$/, '');
}

/** An entry allows a place or package by text or pattern; `types` and `lazy` name one that not all imports may take. */
function allows(entry, to, kind) {
  if (typeof entry === 'string') return entry === to;
  if (entry instanceof RegExp) return entry.test(to);
  if (entry.packages) return entry.packages.some((name) => to === name || to.startsWith(`${name}/`));
  if (entry.types) return entry.types === to && kind === 'type';
  return entry.lazy === to && kind !== 'code';
}

/** Whoever switches a rule off says why: `eslint-disable-next-line rule -- reason`. */
function describedDisableRule() {
  return {
    meta: { type: 'suggestion', schema: [], messages: { why: 'Say why, after " -- ".' } },
    create(context) {
      return {
        Program() {
          for (const { value, loc } of context.sourceCode.getAllComments()) {
            if (!/^\s*eslint-disable/.test(value) || /\s-{2,}\s+\S/.test(value)) continue;
            // Before the line's start, where the comment does not switch this report off, too.
            context.report({ loc: { line: loc.start.line, column: -1 }, messageId: 'why' });
          }
        },
      };
    },
  };
}
