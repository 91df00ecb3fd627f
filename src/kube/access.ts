/** Asks the cluster what this user may do, without doing it. */
import { ok, type Result } from '../result.ts';
import type { Kube } from './client.ts';

export interface AccessCheck {
  readonly verb: string;
  /** API group, empty for the core group. */
  readonly group: string;
  /** Plural resource without its subresource. */
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace: string;
}

export interface AccessAnswer {
  readonly check: AccessCheck;
  readonly allowed: boolean;
  /** The authorizer's own words, often empty. */
  readonly reason: string;
}

/** One SelfSubjectAccessReview a check, all at once; every authenticated user may ask. Answers keep the order. */
export async function canI(
  kube: Kube,
  checks: readonly AccessCheck[],
  signal?: AbortSignal,
): Promise<Result<readonly AccessAnswer[]>> {
  const asked = await Promise.all(checks.map((check) => ask(kube, check, signal)));
  const answers: AccessAnswer[] = [];
  for (const one of asked) {
    if (!one.ok) return one;
    answers.push(one.value);
  }
  return ok(answers);
}

async function ask(
  kube: Kube,
  check: AccessCheck,
  signal: AbortSignal | undefined,
): Promise<Result<AccessAnswer>> {
  const { subresource, ...attributes } = check;
  const resourceAttributes = subresource === undefined ? attributes : { ...attributes, subresource };
  const review = await kube.call(
    { verb: 'create', resource: 'selfsubjectaccessreviews', group: 'authorization.k8s.io' },
    ({ authorization }, options) =>
      authorization.createSelfSubjectAccessReview({ body: { spec: { resourceAttributes } } }, options),
    signal,
  );
  if (!review.ok) return review;
  const { allowed = false, reason = '' } = review.value.status ?? {};
  return ok({ check, allowed, reason });
}
