// The one place for the names, addresses and paths of a test cluster.
//
//   host namespace                 namespace kdev<n>
//   198.18.(4n).1/30  ── veth ──   198.18.(4n).2/30   API 6443, registries 5000 and 5443
//                                  198.18.(4n+1).1/24 bridge of the pods
//
// Every cluster number owns a /22 of 198.18.0.0/15 (the benchmarking range, never
// routed), so that two checkouts on one machine do not meet.

import { join } from 'node:path';

export type Layout = {
  readonly number: number;
  /** Name of the network namespace and of the node. */
  readonly name: string;
  readonly hostLink: string;
  readonly nodeLink: string;
  readonly hostIp: string;
  readonly nodeIp: string;
  readonly range: string;
  readonly podRange: string;
  readonly podGateway: string;
  readonly serviceRange: string;
  readonly serviceIp: string;
  readonly apiServer: string;
  readonly registry: string;
  readonly tlsRegistry: string;
  readonly stateDir: string;
};

/** 64 networks of /22 fit in the last two octets of 198.18. */
const highestNumber = 63;

export function clusterNumber(environment: NodeJS.ProcessEnv = process.env): number {
  const text = environment['KANIKO_DEV_CLUSTER'] ?? '0';
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > highestNumber) {
    throw new Error(`KANIKO_DEV_CLUSTER must be a whole number from 0 to ${highestNumber}, not "${text}"`);
  }
  return number;
}

export function layoutOf(number: number): Layout {
  const first = number * 4;
  const nodeIp = `198.18.${first}.2`;
  return {
    number,
    name: `kdev${number}`,
    hostLink: `kdev${number}h`,
    nodeLink: `kdev${number}n`,
    hostIp: `198.18.${first}.1`,
    nodeIp,
    range: `198.18.${first}.0/22`,
    podRange: `198.18.${first + 1}.0/24`,
    podGateway: `198.18.${first + 1}.1`,
    serviceRange: `198.18.${first + 2}.0/24`,
    serviceIp: `198.18.${first + 2}.1`,
    apiServer: `https://${nodeIp}:6443`,
    registry: `${nodeIp}:5000`,
    tlsRegistry: `${nodeIp}:5443`,
    stateDir: `/var/tmp/kaniko-dev-cluster-${number}`,
  };
}

/** Not in the state directory, which `down` removes while it holds the lock. */
export const lockFile = (layout: Layout): string => `/run/kaniko-dev-cluster-${layout.number}.lock`;

/** Held by every `run`, so that the one that started the cluster does not end it under another. */
export const usersFile = (layout: Layout): string => `/run/kaniko-dev-cluster-${layout.number}.users`;

export const netnsFile = (layout: Layout): string => `/var/run/netns/${layout.name}`;

/** Paths below the state directory; the three tmpfs mounts come first. */
export const paths = {
  containerd: (layout: Layout) => join(layout.stateDir, 'containerd'),
  kubelet: (layout: Layout) => join(layout.stateDir, 'kubelet'),
  data: (layout: Layout) => join(layout.stateDir, 'data'),
  certificates: (layout: Layout) => join(layout.stateDir, 'certificates'),
  config: (layout: Layout) => join(layout.stateDir, 'config'),
  logs: (layout: Layout) => join(layout.stateDir, 'logs'),
  processes: (layout: Layout) => join(layout.stateDir, 'processes'),
  containerdSocket: (layout: Layout) => join(layout.stateDir, 'data', 'run', 'containerd.sock'),
  adminKubeconfig: (layout: Layout) => join(layout.stateDir, 'admin.kubeconfig'),
  developerKubeconfig: (layout: Layout) => join(layout.stateDir, 'developer.kubeconfig'),
  nobodyKubeconfig: (layout: Layout) => join(layout.stateDir, 'nobody.kubeconfig'),
  registryCa: (layout: Layout) => join(layout.stateDir, 'registry-ca.crt'),
  /** Written last by `up`, removed first by `down`: its presence means a complete start. */
  complete: (layout: Layout) => join(layout.stateDir, 'complete.json'),
};
