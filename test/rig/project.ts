/** A project in a temporary directory, made from a template of the product. */
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const templates = join(import.meta.dirname, '../../templates');

export class Project {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async empty(): Promise<Project> {
    return new Project(await mkdtemp(join(tmpdir(), 'kaniko-dev-test-')));
  }

  /** `values` fill the template's `{{name}}` placeholders. */
  static async fromTemplate(name: string, values: Readonly<Record<string, string>>): Promise<Project> {
    const project = await Project.empty();
    await cp(join(templates, name), project.root, { recursive: true });
    for (const file of await readdir(project.root, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const path = join(file.parentPath, file.name);
      const text = await readFile(path, 'utf8');
      const filled = text.replaceAll(/\{\{(\w+)\}\}/g, (all, key: string) => values[key] ?? all);
      if (filled !== text) await writeFile(path, filled);
    }
    return project;
  }

  path(name: string): string {
    return join(this.root, name);
  }

  /** Saves as editors do: a new file in the place of the old one. */
  async write(name: string, content: string): Promise<void> {
    const path = this.path(name);
    await mkdir(dirname(path), { recursive: true });
    const beside = `${path}.tmp.${process.pid}.${Date.now()}`;
    await writeFile(beside, content);
    await rename(beside, path);
  }

  async edit(name: string, change: (text: string) => string): Promise<void> {
    await this.write(name, change(await readFile(this.path(name), 'utf8')));
  }

  async remove(name: string): Promise<void> {
    await rm(this.path(name), { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
