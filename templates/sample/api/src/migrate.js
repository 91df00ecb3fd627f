import { greeting } from './greeting.js';

process.stdout.write(`migrated for "${greeting}"\n`);
