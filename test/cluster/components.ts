// The cluster's processes: command lines and configuration files.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { paths, type Layout } from './addresses.ts';
import type { Cache } from './cache.ts';
import { containerdConfig, writeRegistryHosts } from './containerd.ts';
import { kubeletConfig } from './kubelet.ts';
import { registryConfig, users } from './registry.ts';

export const components = [
  'etcd',
  'containerd',
  'registry',
  'registry-tls',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
] as const;

export type Component = (typeof components)[number];

export async function writeConfigs(layout: Layout): Promise<void> {
  const folder = paths.config(layout);
  const network = join(folder, 'cni');
  await mkdir(network, { recursive: true });
  await writeFile(join(folder, 'containerd.toml'), containerdConfig(layout));
  await writeRegistryHosts(layout);
  await writeFile(join(network, '10-bridge.conf'), JSON.stringify(bridge(layout), null, 2));
  await writeFile(join(folder, 'kubelet.yaml'), JSON.stringify(kubeletConfig(layout), null, 2));
  // No name server: a lookup fails at once. Opening the way outside replaces the file.
  await writeFile(join(folder, 'resolv.conf'), '');
  await writeFile(join(folder, 'htpasswd'), users);
  await writeFile(join(folder, 'registry.yaml'), registryConfig(layout, 'plain'));
  await writeFile(join(folder, 'registry-tls.yaml'), registryConfig(layout, 'tls'));
}

function bridge(layout: Layout) {
  return {
    cniVersion: '0.4.0',
    name: layout.name,
    type: 'bridge',
    bridge: 'pods',
    isGateway: true,
    ipMasq: false,
    ipam: {
      type: 'host-local',
      dataDir: join(paths.data(layout), 'addresses'),
      ranges: [[{ subnet: layout.podRange, gateway: layout.podGateway }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  };
}

export function commandLine(layout: Layout, cache: Cache, component: Component): string[] {
  const certificate = (name: string) => join(paths.certificates(layout), name);
  const config = (name: string) => join(paths.config(layout), name);
  const data = (name: string) => join(paths.data(layout), name);
  const program = (name: string) => join(cache.bin, name);
  switch (component) {
    case 'etcd':
      return [
        'etcd',
        '--name=test',
        `--data-dir=${data('etcd')}`,
        '--log-level=warn',
        '--listen-client-urls=http://127.0.0.1:2379',
        '--advertise-client-urls=http://127.0.0.1:2379',
        '--listen-peer-urls=http://127.0.0.1:2380',
        '--initial-advertise-peer-urls=http://127.0.0.1:2380',
        '--initial-cluster=test=http://127.0.0.1:2380',
      ];
    case 'containerd':
      return ['containerd', '--config', config('containerd.toml')];
    case 'registry':
      return ['docker-registry', 'serve', config('registry.yaml')];
    case 'registry-tls':
      return ['docker-registry', 'serve', config('registry-tls.yaml')];
    case 'kube-apiserver':
      return [
        program('kube-apiserver'),
        '--etcd-servers=http://127.0.0.1:2379',
        '--secure-port=6443',
        `--advertise-address=${layout.nodeIp}`,
        `--service-cluster-ip-range=${layout.serviceRange}`,
        '--allow-privileged=true',
        `--cert-dir=${data('apiserver')}`,
        `--client-ca-file=${certificate('ca.crt')}`,
        `--tls-cert-file=${certificate('apiserver.crt')}`,
        `--tls-private-key-file=${certificate('apiserver.key')}`,
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${certificate('service-account.key')}`,
        `--service-account-signing-key-file=${certificate('service-account.key')}`,
        `--token-auth-file=${certificate('tokens.csv')}`,
        '--authorization-mode=Node,RBAC',
        // Without it exec looks the node's name up in DNS and times out.
        '--kubelet-preferred-address-types=InternalIP',
        `--kubelet-client-certificate=${certificate('kubelet-client.crt')}`,
        `--kubelet-client-key=${certificate('kubelet-client.key')}`,
      ];
    case 'kube-controller-manager':
      return [
        program('kube-controller-manager'),
        `--kubeconfig=${paths.adminKubeconfig(layout)}`,
        '--leader-elect=false',
        `--service-account-private-key-file=${certificate('service-account.key')}`,
        `--root-ca-file=${certificate('ca.crt')}`,
        `--cert-dir=${data('controller-manager')}`,
        `--flex-volume-plugin-dir=${data('volume-plugins')}`,
      ];
    case 'kube-scheduler':
      return [
        program('kube-scheduler'),
        `--kubeconfig=${paths.adminKubeconfig(layout)}`,
        '--leader-elect=false',
        `--cert-dir=${data('scheduler')}`,
      ];
    case 'kubelet':
      return [
        program('kubelet'),
        `--config=${config('kubelet.yaml')}`,
        `--kubeconfig=${certificate('kubelet.kubeconfig')}`,
        `--node-ip=${layout.nodeIp}`,
        `--hostname-override=${layout.name}`,
        `--root-dir=${paths.kubelet(layout)}`,
        `--cert-dir=${data('kubelet-certificates')}`,
      ];
  }
}
