// Shows /openapi.json. Appended to the script of Swagger UI by web/build.ts.
globalThis.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  filter: true,
  // No request to a validator of others.
  validatorUrl: null,
})
