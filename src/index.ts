/** The public interface of the package. */
export { defineConfig } from './config/config.ts';
export type {
  BuildConfig,
  CacheConfig,
  ClusterConfig,
  ConfigExport,
  DeployConfig,
  Duration,
  KanikoConfig,
  KanikoDevConfig,
  KubernetesRunnerConfig,
  LocalRunnerConfig,
  RegistryConfig,
  RunnerConfig,
  TargetConfig,
  WatchConfig,
} from './config/config.ts';
