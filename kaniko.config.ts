import { defineConfig } from './src/index.ts';

// In a project that has kaniko-dev installed: import { defineConfig } from 'kaniko-dev';
export default defineConfig({
  // Everything below is in this namespace of the kubeconfig's current context.
  cluster: { namespace: 'moltbook' },

  // The long-lived pod that builds.
  runner: { deployment: 'kaniko-build-runner' },

  targets: {
    api: {
      context: 'api/',
      image: 'ghcr.io/ardenone/moltbook-api',
      // Two containers run this image, `api` and the init container `migrate-db`. They are found by the image's name
      // and rolled together, so that the database is migrated by the same code that serves.
      deploy: { kind: 'Deployment', name: 'moltbook-api' },
    },
    frontend: {
      context: 'moltbook-frontend/',
      image: 'ghcr.io/ardenone/moltbook-frontend',
      deploy: { kind: 'Deployment', name: 'moltbook-frontend' },
    },
  },
});
