/** Finds an instruction, as kaniko prints it, in the text of its Dockerfile. Pure. */

interface Instruction {
  /** First line, from 1. */
  readonly line: number;
  /** Continuation lines joined, white space squeezed. */
  readonly text: string;
}

/** Line of the instruction, from 1; undefined when it is not there or stands there more than once. */
export function instructionLine(dockerfile: string, instruction: string): number | undefined {
  const wanted = squeeze(instruction);
  const found = instructions(dockerfile).filter(({ text }) => text.toLowerCase() === wanted.toLowerCase());
  return found.length === 1 ? found[0]?.line : undefined;
}

function instructions(dockerfile: string): Instruction[] {
  const all: Instruction[] = [];
  let start = 0;
  let text = '';
  for (const [index, raw] of dockerfile.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line.startsWith('#') || (line === '' && text === '')) continue;
    if (text === '') start = index + 1;
    if (line.endsWith('\\')) {
      text += `${line.slice(0, -1)} `;
      continue;
    }
    all.push({ line: start, text: squeeze(text + line) });
    text = '';
  }
  return all;
}

function squeeze(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
