/** What a target's configuration decides, and how its events and images are named. */
import type { ContextSource, ImageReference, WatchOptions, Workload } from '../host.ts';
import type { BuildOptions } from '../kaniko/argv.ts';
import type { Destination } from './build.ts';
import type { Content } from './content.ts';

/** Everything about a target that its configuration decides. */
export interface TargetPlan {
  readonly name: string;
  readonly source: ContextSource;
  readonly watch: WatchOptions;
  readonly image: ImageReference;
  /** The image as the user wrote it, without a tag. */
  readonly repository: string;
  readonly tag: string;
  readonly options: BuildOptions;
  readonly certificates: Readonly<Record<string, string>>;
  /** Absolute path of the workspace in the runner. */
  readonly workspace: string;
  /** Milliseconds of quiet before a build starts, and the longest wait for it. */
  readonly settle: number;
  readonly settleCap: number;
  readonly onChange: 'cancel' | 'queue';
  readonly output: Destination;
  /** Milliseconds that a pushed image may take to be visible. */
  readonly verifyTimeout: number;
  /** Milliseconds a build may take. */
  readonly timeout: number;
  readonly deploy:
    | { readonly workload: Workload; readonly by: 'digest' | 'tag'; readonly timeout: number }
    | undefined;
}

/** A content and the tag of its image. */
export interface Tagged extends Content {
  readonly tag: string;
}

/** Names shown with an event. */
export const shownPaths = 5;

/** What every event of a content carries. */
export function eventOf(
  plan: TargetPlan,
  generation: number,
  content: Content,
): { target: string; generation: number; contentHash: string } {
  return { target: plan.name, generation, contentHash: content.hash };
}

/** The image by its tag, as the user wrote its repository. */
export function referenceOf(plan: TargetPlan, content: Tagged): string {
  return `${plan.repository}:${content.tag}`;
}
