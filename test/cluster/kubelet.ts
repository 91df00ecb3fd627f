// kubelet's configuration for a machine that is itself a container and keeps its own disk full.

import { join } from 'node:path';
import { paths, type Layout } from './addresses.ts';

export function kubeletConfig(layout: Layout) {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(paths.certificates(layout), 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    address: layout.nodeIp,
    healthzPort: 0,
    containerRuntimeEndpoint: `unix://${paths.containerdSocket(layout)}`,
    // Forgives what the kernel refuses without CAP_SYS_RESOURCE, such as lowering oom_score_adj.
    // Resizing pods in place ends the kubelet with a nil pointer where there are no cgroups for pods.
    featureGates: { KubeletInUserNamespace: true, InPlacePodVerticalScaling: false },
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    localStorageCapacityIsolation: false,
    // A full disk of the host is no reason to evict pods or to collect images that no registry has.
    evictionHard: {
      'memory.available': '1Mi',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.available': '0%',
    },
    imageGCHighThresholdPercent: 100,
    clusterDNS: [],
    resolvConf: join(paths.config(layout), 'resolv.conf'),
    podLogsDir: join(paths.data(layout), 'pod-logs'),
    volumePluginDir: join(paths.data(layout), 'volume-plugins'),
    // Status of pods and node reaches the API server soon: tests wait for it.
    nodeStatusUpdateFrequency: '2s',
    syncFrequency: '5s',
    fileCheckFrequency: '5s',
  };
}
