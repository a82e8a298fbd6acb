/** How a worker finds its workflows: the ready-made ones, with the user's beside them. */
import type { BundleOptions, WorkerOptions } from '@temporalio/worker';
import { BadConfig } from '../domain/errors.js';
import { moduleFile } from '../moduleFile.js';

type WebpackConfigHook = NonNullable<BundleOptions['webpackConfigHook']>;
type WebpackConfig = ReturnType<WebpackConfigHook>;

/** Must be the name that `workflows/withUserWorkflows.ts` imports. */
const USER_MODULE = 'batchtrail-user-workflows';

export function workflowOptions(
  userFile: string | undefined,
): Pick<WorkerOptions, 'workflowsPath' | 'bundlerOptions'> {
  const readyMade = moduleFile(new URL('../workflows/index.js', import.meta.url));
  if (userFile === undefined) return { workflowsPath: readyMade };
  return {
    workflowsPath: moduleFile(new URL('../workflows/withUserWorkflows.js', import.meta.url)),
    bundlerOptions: { webpackConfigHook: withUserModule(userFile, readyMade) },
  };
}

function withUserModule(userFile: string, readyMade: string): WebpackConfigHook {
  return (config) => ({
    ...config,
    resolve: { ...config.resolve, alias: { ...config.resolve?.alias, [`${USER_MODULE}$`]: userFile } },
    plugins: [...(config.plugins ?? []), refuseClash(userFile, readyMade)],
  });
}

/** `export *` drops a name that two modules export, and Temporal would then not know that workflow at all. */
function refuseClash(userFile: string, readyMade: string): NonNullable<WebpackConfig['plugins']>[number] {
  return (compiler) => {
    compiler.hooks.compilation.tap('batchtrail', (compilation) => {
      // A late stage: webpack collects the exports in the same hook.
      compilation.hooks.finishModules.tap({ name: 'batchtrail', stage: 1_000 }, (modules) => {
        const exportsOf = (file: string): string[] => {
          const module = [...modules].find((candidate) => candidate.nameForCondition() === file);
          const names = module && compilation.moduleGraph.getProvidedExports(module);
          return Array.isArray(names) ? names : [];
        };
        const taken = new Set(exportsOf(readyMade));
        const clash = exportsOf(userFile).find((name) => name !== 'default' && taken.has(name));
        if (clash !== undefined) {
          throw new BadConfig(
            `worker.workflowsPath: ${userFile} exports ${clash}, which is the name of a ready-made workflow. Give yours another name`,
          );
        }
      });
    });
  };
}
