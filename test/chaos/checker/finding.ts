/** Something that the audit says wrongly, or does not say. */
export interface Finding {
  readonly rule: string;
  readonly LogID?: number | undefined;
  readonly WorkflowID?: string | undefined;
  readonly RunID?: string | undefined;
  readonly ActivityID?: string | undefined;
  readonly Attempt?: number | undefined;
  readonly what: string;
}

export function describeFinding({
  rule,
  LogID,
  WorkflowID,
  RunID,
  ActivityID,
  Attempt,
  what,
}: Finding): string {
  const where = [
    LogID === undefined ? '' : `batch ${LogID}`,
    WorkflowID === undefined ? '' : `workflow ${WorkflowID}`,
    RunID === undefined ? '' : `run ${RunID}`,
    ActivityID === undefined ? '' : `activity ${ActivityID}`,
    Attempt === undefined ? '' : `attempt ${Attempt}`,
  ];
  return `${rule}: ${where.filter(Boolean).join(', ')}: ${what}`;
}
