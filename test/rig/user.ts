/** Runs the program as a user who is not root, without touching this machine's accounts. */
import { copyFile, chmod, chown, mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Program } from './program.ts';
import { Project } from './project.ts';
import { localTools } from './tools.ts';

const id = 54_321;
export const userName = 'kaniko-dev-tester';
const repository = join(import.meta.dirname, '../..');

export interface UserOptions {
  /** A line for the user in /etc/subuid and /etc/subgid. */
  readonly subordinateIds: boolean;
  /** The only programs on the path, by name and place; the path of this process when undefined. */
  readonly programs?: Readonly<Record<string, string>>;
}

/**
 * The accounts are files that are mounted over the real ones in a namespace of the program's own. This checkout and
 * this Node are mounted where every user may read them.
 */
export class User {
  readonly #home: Project;
  readonly #tools: Project;

  private constructor(home: Project, tools: Project) {
    this.#home = home;
    this.#tools = tools;
  }

  static async create({ subordinateIds, programs }: UserOptions): Promise<User> {
    const home = await Project.empty();
    const tools = await Project.empty();
    await chmod(tools.root, 0o755);
    await mkdir(tools.path('repository'));
    for (const name of ['passwd', 'group'])
      await tools.write(
        name,
        `${await readFile(`/etc/${name}`, 'utf8')}${userName}:x:${id}:${name === 'group' ? '' : `${id}::${home.root}:/bin/sh`}\n`,
      );
    for (const name of ['subuid', 'subgid'])
      await tools.write(name, subordinateIds ? `${userName}:3000000:65536\n` : '');
    const { executor, busybox, certificates } = await localTools();
    for (const [name, from] of Object.entries({
      executor,
      busybox,
      certificates,
      node: process.execPath,
      ...programs,
    })) {
      await mkdir(tools.path('bin'), { recursive: true });
      await copyFile(from, tools.path(`bin/${name}`));
      await chmod(tools.path(`bin/${name}`), 0o755);
    }
    const path =
      programs === undefined ? `${tools.path('bin')}:${process.env['PATH'] ?? ''}` : tools.path('bin');
    await tools.write(
      'start.sh',
      `set -e
for file in passwd group subuid subgid; do [ -e /etc/$file ] && mount --bind ${tools.root}/$file /etc/$file; done
mount --bind ${repository} ${tools.path('repository')}
exec setpriv --reuid=${id} --regid=${id} --clear-groups env HOME=${home.root} PATH='${path}' ${tools.path('bin/node')} ${tools.path('repository/bin/kaniko-dev.js')} "$@"
`,
    );
    await own(home.root);
    return new User(home, tools);
  }

  /** The project is theirs from now on. */
  async take(project: Project): Promise<void> {
    const { root } = this.#tools;
    await project.edit('kaniko.config.yaml', (text) =>
      text.replace(
        'type: local\n',
        `type: local\n  executor: ${root}/bin/executor\n  busybox: ${root}/bin/busybox\n  certificates: ${root}/bin/certificates\n`,
      ),
    );
    await own(project.root);
  }

  start(argv: readonly string[], project: Project): Program {
    const command = ['unshare', '--mount', 'sh', this.#tools.path('start.sh')];
    return new Program(argv, { cwd: project.root, command });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#home[Symbol.asyncDispose]();
    await this.#tools[Symbol.asyncDispose]();
  }
}

async function own(directory: string): Promise<void> {
  await chown(directory, id, id);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }))
    if (!entry.isSymbolicLink()) await chown(join(entry.parentPath, entry.name), id, id);
}
