export const greeting = 'api: first version';
