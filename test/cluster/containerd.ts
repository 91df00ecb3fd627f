// containerd's configuration, and where it finds the registry of an image name.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { paths, type Layout } from './addresses.ts';
import { pauseImage } from './images.ts';

export function containerdConfig(layout: Layout): string {
  const run = join(paths.data(layout), 'run');
  return `version = 2
root = "${paths.containerd(layout)}"
state = "${run}/containerd"

[grpc]
address = "${paths.containerdSocket(layout)}"

[plugins."io.containerd.internal.v1.opt"]
path = "${paths.containerd(layout)}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${pauseImage}"
# Without CAP_SYS_RESOURCE nobody may lower a score below its parent's.
restrict_oom_score_adj = true
disable_apparmor = true
# Below the state directory, where \`down\` finds what a kill -9 left.
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${join(paths.config(layout), 'cni')}"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "${join(paths.config(layout), 'registries')}"

[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "${run}/runc"
`;
}

/**
 * Which registry serves a pull. Every name that is not listed, ghcr.io and docker.io among them,
 * is looked for in the plain test registry: a pull never leaves the machine, and a pod can name
 * `ghcr.io/ardenone/moltbook-api@sha256:…` once that digest was pushed to
 * `198.18.x.2:5000/ardenone/moltbook-api`.
 */
export async function writeRegistryHosts(layout: Layout): Promise<void> {
  const plain = `http://${layout.registry}`;
  const tls = `https://${layout.tlsRegistry}`;
  const hosts: Readonly<Record<string, string>> = {
    [layout.registry]: hostsFile(plain),
    [layout.tlsRegistry]: hostsFile(tls, `ca = "${paths.registryCa(layout)}"`),
    'ghcr.io': hostsFile(plain),
    'docker.io': hostsFile(plain),
    _default: hostsFile(plain),
  };
  for (const [name, content] of Object.entries(hosts)) {
    const folder = join(paths.config(layout), 'registries', name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'hosts.toml'), content);
  }
}

/** `server` is the fallback after the hosts: left out, it would be the real registry of the name. */
function hostsFile(server: string, extra = ''): string {
  return `server = "${server}"\n\n[host."${server}"]\ncapabilities = ["pull", "resolve"]\n${extra}\n`;
}
