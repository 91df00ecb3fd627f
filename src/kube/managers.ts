/** Who wrote a container's image last, by the server's record of field owners. */
import type { V1Deployment } from '@kubernetes/client-node';

/** Name of the field manager (`kubectl-edit`, `argocd-controller`), undefined when it is not recorded. */
export function imageWriter(deployment: V1Deployment, container: string): string | undefined {
  const writers = (deployment.metadata?.managedFields ?? [])
    .filter((entry) => ownsImage(entry.fieldsV1, container))
    .toSorted((a, b) => (b.time?.getTime() ?? 0) - (a.time?.getTime() ?? 0));
  return writers[0]?.manager;
}

/** `f:spec → f:template → f:spec → f:containers → k:{"name":"api"} → f:image` */
function ownsImage(fields: unknown, container: string): boolean {
  return ['f:containers', 'f:initContainers'].some((list) => {
    const path = [
      'f:spec',
      'f:template',
      'f:spec',
      list,
      `k:{"name":${JSON.stringify(container)}}`,
      'f:image',
    ];
    return descend(fields, path) !== undefined;
  });
}

function descend(fields: unknown, path: readonly string[]): unknown {
  let at: unknown = fields;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !(key in at)) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[key];
  }
  return at;
}
