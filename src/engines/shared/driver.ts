import { BadConfig } from '../../domain/errors.js';

/** Loads a driver that only the users of its engine install. */
export async function loadDriver<T>(name: string, scheme: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(`'${name}'`)) throw error;
    throw new BadConfig(
      `${scheme}: needs the package ${name}, which is not installed. Run: npm install ${name}`,
      {
        cause: error,
      },
    );
  }
}
