/**
 * What the service's rules say about a task (docs/api.md, The task): the fields of a PATCH in the order in which they
 * are recorded, the values of a new draft, and the limits. Lengths are code points. The object is plain JSON, so that
 * a test can compare it with the service.
 */
export const TASK_RULES = {
  "fields": [
    "title", "description", "category", "task_type", "requirements", "budget_usd", "experimentation", "brand_kit_id"
  ],
  "newDraft": {
    "title": "", "description": "", "category": "", "task_type": "", "requirements": {}, "budget_usd": 0,
    "compute_budget": null, "status": "draft", "experimentation": 0.3, "attachments": [], "brand_kit_id": null
  },
  "lengths": {
    "title": 200, "description": 5000, "category": 100, "task_type": 100, "transcript": 20000, "reference": 2048
  },
  "attachments": 20,
  "requirements": { "bytes": 16384, "levels": 32 },
  "ranges": { "budget_usd": [3, 300], "experimentation": [0, 1] }
};
