/** Tags of images. Pure. */

/** `content` is `dev-{hash}`, `timestamp` is `dev-{time}`; anything else is a template with these placeholders. */
export type TagStrategy = string;

const templates: Readonly<Record<string, string>> = { content: 'dev-{hash}', timestamp: 'dev-{time}' };

/** `{hash}` is the first 12 digits of the content hash, `{time}` the UTC time to the second, `{target}` the name. */
export function imageTag(strategy: TagStrategy, target: string, contentHash: string, now: number): string {
  const time = new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  return (templates[strategy] ?? strategy)
    .replaceAll('{hash}', contentHash.slice(0, 12))
    .replaceAll('{time}', time)
    .replaceAll('{target}', () => target);
}

/** Whether equal content always gets the same tag, so that a tag that exists makes a build unneeded. */
export function isContentTag(strategy: TagStrategy): boolean {
  const template = templates[strategy] ?? strategy;
  return template.includes('{hash}') && !template.includes('{time}');
}
