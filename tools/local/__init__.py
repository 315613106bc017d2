"""The local platform: every function of this repository as a real process on one machine.

`runtime_api` takes the place of the Lambda service, `invoke_api` of its Invoke endpoint, `http_front` of API Gateway
and CloudFront, `queues` of SQS event source mappings, moto server of S3, SQS and KMS, an embedded PostgreSQL of Aurora.
``topology/`` lists what is started. Product code runs unchanged: it reads the same environment variables and answers
the same events.
"""
