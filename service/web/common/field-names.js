// @ts-check
/** What the pages call the fields of a task. */

/** @type {Record<string, string>} */
export const FIELD_NAMES = {
  title: 'Title', description: 'Description', transcript: 'Voice transcript', category: 'Category',
  task_type: 'Task type', requirements: 'Requirements', budget_usd: 'Budget', experimentation: 'Experimentation',
  brand_kit_id: 'Brand kit', attachments: 'Attachments', status: 'Status', compute_budget: 'Compute budget',
};

/** @param {string} field  as tasks and events name it */
export function fieldName(field) {
  return FIELD_NAMES[field] ?? field;
}

/** The name of the field that an error is about. @param {{pointer: string}} error */
export function fieldOfError({ pointer }) {
  return FIELD_NAMES[pointer.split('/')[1]] ?? pointer;
}
