// What a test needs to know of the cluster, as environment variables.

import { join } from 'node:path';
import { paths, type Layout } from './addresses.ts';
import { executorDir, type Cache } from './cache.ts';

export function environmentOf(layout: Layout, cache: Cache): Record<string, string> {
  return {
    TEST_KUBECONFIG: paths.adminKubeconfig(layout),
    TEST_DEVELOPER_KUBECONFIG: paths.developerKubeconfig(layout),
    TEST_NOBODY_KUBECONFIG: paths.nobodyKubeconfig(layout),
    TEST_API_SERVER: layout.apiServer,
    TEST_REGISTRY: layout.registry,
    TEST_TLS_REGISTRY: layout.tlsRegistry,
    TEST_TLS_REGISTRY_CA: paths.registryCa(layout),
    TEST_CLUSTER_STATE: layout.stateDir,
    TEST_NODE_IP: layout.nodeIp,
    TEST_HOST_IP: layout.hostIp,
    TEST_IMAGES: cache.images,
    TEST_BUSYBOX_ARCHIVE: join(cache.images, 'busybox-1.36.tar'),
    TEST_NODE_ARCHIVE: join(cache.images, 'node-20-alpine.tar'),
    TEST_EXECUTOR_DIR: executorDir,
  };
}

export function exportLines(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('');
}
