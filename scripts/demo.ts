/** `npm run demo`: the whole loop on a sample project, with an edit made by itself. `-- --cluster`: on a Kubernetes. */
import { clusterDemo } from './demo/cluster.ts';
import { localDemo } from './demo/local.ts';

const demo = process.argv.includes('--cluster') ? clusterDemo : localDemo;
process.exitCode = await demo(process.stdout.isTTY);
