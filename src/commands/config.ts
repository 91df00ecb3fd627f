/** `kaniko-dev config`: which file is used, and what it comes to. */
import { stringify } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { ok, type Result } from '../result.ts';

export interface ConfigCommandInput {
  readonly cwd: string;
  readonly file?: string | undefined;
  readonly json: boolean;
}

export async function configCommand(
  input: ConfigCommandInput,
  write: (text: string) => void,
): Promise<Result<void>> {
  const loaded = await loadConfig(input);
  if (!loaded.ok) return loaded;
  const { file, config } = loaded.value;
  write(
    input.json
      ? `${JSON.stringify({ file, config }, undefined, 2)}\n`
      : `# ${file}, with every default filled; durations are milliseconds\n${stringify(config, { lineWidth: 0, aliasDuplicateObjects: false })}`,
  );
  return ok(undefined);
}
