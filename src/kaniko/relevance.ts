/** What a Dockerfile can read of its context: a change of anything else needs no build. Pure. */
import { dockerfileSources } from './sources.ts';

export type Reads =
  /** `why` says what in the Dockerfile cannot be told apart. */
  | { readonly type: 'everything'; readonly why: string }
  | { readonly type: 'sources'; readonly sources: readonly string[] };

export function dockerfileReads(dockerfile: string): Reads {
  if (/^\s*RUN\s(?:.*\\\r?\n)*?.*--mount=/im.test(dockerfile))
    return { type: 'everything', why: 'RUN --mount' };
  if (/^\s*FROM\s.*onbuild/im.test(dockerfile))
    return { type: 'everything', why: 'a base image with ONBUILD' };
  if (/^\s*(?:COPY|ADD)\s.*<</im.test(dockerfile)) return { type: 'everything', why: 'a heredoc' };
  const sources: string[] = [];
  for (const { reads } of dockerfileSources(dockerfile).copies) {
    if (reads.type === 'context') sources.push(...reads.sources);
  }
  return { type: 'sources', sources };
}
